/**
 * Bounds of one message, the same on every transport unless the transport's own fact is lower. All in bytes of UTF-8
 * where not said otherwise; docs/reference/wire-format.md repeats them for other languages.
 */

/** Default largest message: attributes, headers and body together. */
export const messageBytesMaxDefault: number = 1_048_576
/** Deepest nesting of arrays and objects in JSON data; a scalar has depth 0, `{}` has depth 1. */
export const jsonDepthMax: number = 64
/** Longest `id`, `type`, `source`, `partitionkey` and other identifying attribute. */
export const identifierBytesMax: number = 255
/** Longest free attribute: `subject`, `dataschema`, `tracestate`, `datacontenttype`. */
export const freeAttributeBytesMax: number = 1_024
/** Largest integer of `schemaversion` and `attempt` (CloudEvents' Integer is 32 bits, signed). */
export const integerAttributeMax: number = 2_147_483_647
/** Tags of one message, at most. */
export const tagCountMax: number = 32
/** Longest tag. */
export const tagBytesMax: number = 64
/** Headers of one message, at most. */
export const headerCountMax: number = 128
/** Longest header name; names are ASCII. */
export const headerNameBytesMax: number = 128
/** Names and values of all headers together. */
export const headerTotalBytesMax: number = 32_768
