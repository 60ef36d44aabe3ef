/** Whether two types are the same, `any` and optionality included. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles only where both types are the same: `same<typeof x, string>()`. Never run. */
export declare function same<A, B>(...proof: Equal<A, B> extends true ? [] : [never]): void
