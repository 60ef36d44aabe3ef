/** The two schemas of our own: none at all, and the user's compiled JSON Schema validator. */
import { SluiceError } from '../errors/index.ts'
import type { StandardIssue, StandardResult, StandardSchema } from './standard-schema.ts'

const noValidation: StandardSchema<unknown> = Object.freeze({
  '~standard': Object.freeze({ version: 1, vendor: 'sluice', validate: (value: unknown) => ({ value }) }),
})

/**
 * A schema that checks nothing at run time: the type alone, as a promise between the two sides. What arrives may be
 * anything; use a real schema where the producer is not yours.
 */
export function typed<T>(): StandardSchema<T> {
  return noValidation as StandardSchema<T>
}

/** One error of a compiled JSON Schema validator, as ajv and its kin report it. */
export interface JsonSchemaError {
  /** JSON pointer to the value, e.g. `/lines/0/quantity`. */
  readonly instancePath?: string | undefined
  readonly keyword?: string | undefined
  readonly message?: string | undefined
}

/**
 * A compiled validator: returns true or false with the errors in its property `errors` (ajv), or returns the list of
 * issues (empty, null or undefined: valid), or a promise of either (ajv's `$async` schemas reject with `errors`).
 */
export interface JsonSchemaValidator {
  (data: unknown): unknown
  readonly errors?: readonly JsonSchemaError[] | null | undefined
}

/** A schema that also carries its JSON Schema, for documents made from the contracts. */
export interface JsonSchema<T> extends StandardSchema<T> {
  readonly jsonSchema: object
}

/**
 * A contract's schema from a JSON Schema and the validator that you compiled from it; Sluice brings none.
 *
 * ```ts
 * const Order = jsonSchema<Order>(orderSchema, new Ajv({ allErrors: true }).compile(orderSchema))
 * ```
 *
 * Input and output are the same value: let the validator neither coerce nor fill in defaults in place, since what is
 * validated is what is sent. Throws INVALID_OPTION.
 */
export function jsonSchema<T>(schema: object, validate: JsonSchemaValidator): JsonSchema<T> {
  if (typeof schema !== 'object' || schema === null) throw new SluiceError('INVALID_OPTION', 'the first argument of jsonSchema is not a JSON Schema object')
  if (typeof validate !== 'function') {
    throw new SluiceError('INVALID_OPTION', 'the second argument of jsonSchema is not a function', {
      fix: 'Pass the validator compiled from the schema, e.g. ajv.compile(schema)',
    })
  }
  const run = (value: unknown): StandardResult<T> | Promise<StandardResult<T>> => {
    const outcome = validate(value)
    if (outcome instanceof Promise)
      return outcome.then(
        (late) => judge<T>(late, value, validate),
        (error) => judgeRejection<T>(error),
      )
    return judge<T>(outcome, value, validate)
  }
  return Object.freeze({ jsonSchema: schema, '~standard': Object.freeze({ version: 1 as const, vendor: 'json-schema', validate: run }) })
}

function judge<T>(outcome: unknown, value: unknown, validate: JsonSchemaValidator): StandardResult<T> {
  if (outcome === false) return { issues: toIssues(validate.errors ?? []) }
  if (Array.isArray(outcome) && outcome.length > 0) return { issues: toIssues(outcome) }
  // true, [], null, undefined, and the data itself (ajv's asynchronous validators resolve to it)
  return { value: value as T }
}

function judgeRejection<T>(error: unknown): StandardResult<T> {
  const errors: unknown = typeof error === 'object' && error !== null && 'errors' in error ? error.errors : undefined
  if (!Array.isArray(errors)) throw error
  return { issues: toIssues(errors) }
}

/** At least one issue, whatever the validator reported: an empty list would read as valid. */
function toIssues(errors: readonly unknown[]): readonly StandardIssue[] {
  if (errors.length === 0) return [{ message: 'does not satisfy the JSON Schema' }]
  return errors.map((error) => {
    const { instancePath, keyword, message, path } = (typeof error === 'object' && error !== null ? error : { message: error }) as JsonSchemaError &
      StandardIssue
    const text = typeof message === 'string' ? message : `does not satisfy ${typeof keyword === 'string' ? keyword : 'the JSON Schema'}`
    if (typeof instancePath === 'string') return { message: text, path: pointerToPath(instancePath) }
    return Array.isArray(path) ? { message: text, path } : { message: text }
  })
}

/** RFC 6901. */
function pointerToPath(pointer: string): readonly PropertyKey[] {
  if (pointer === '') return []
  return pointer
    .slice(1)
    .split('/')
    .map((token) => {
      const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
      return /^(?:0|[1-9]\d{0,8})$/.test(name) ? Number(name) : name
    })
}
