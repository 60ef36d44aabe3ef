/**
 * The Standard Schema interface, version 1 (standardschema.dev), as types only: zod, valibot, arktype and others
 * implement it. Copied, as its authors ask, so that there is no dependency. Covariant in both parameters.
 */
export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

/** Outcome of a validation. */
export type StandardResult<Output> = StandardSuccess<Output> | StandardFailure

/** A value that satisfies its schema, after transforms and defaults. */
export interface StandardSuccess<Output> {
  readonly value: Output
  readonly issues?: undefined
}

/** A value that does not satisfy its schema. */
export interface StandardFailure {
  readonly issues: readonly StandardIssue[]
}

/** One thing that is wrong with a value. */
export interface StandardIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What the producer may pass to this schema. */
export type InputOf<S> = S extends StandardSchema<infer I, infer _O> ? I : never
/** What validation returns, and the handler gets. */
export type OutputOf<S> = S extends StandardSchema<infer _I, infer O> ? O : never
