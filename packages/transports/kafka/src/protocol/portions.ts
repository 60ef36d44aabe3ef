/** A broker takes a batch of a megabyte; records for one are gathered up to this, bytes. */
export const batchBytesMax: number = 700 * 1024

/** Items in order, as many together as go into one batch; a larger one goes alone. `sizeOf`: about, bytes. */
export function portions<T>(items: readonly T[], sizeOf: (item: T) => number): T[][] {
  const found: T[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const item of items) {
    const size = sizeOf(item)
    if (bytes + size > batchBytesMax) {
      found.push([])
      bytes = 0
    }
    bytes += size
    found.at(-1)?.push(item)
  }
  return found
}
