/**
 * A block: consecutive messages of a channel in one row, whose BLOB says with two checksums whether it is whole. What is
 * read often costs nothing to read: texts of all messages lie in one text and are sliced where they are wanted (V8 slices
 * without copying), so that 500 messages cost one decoding and no parsing.
 *
 *   0  CRC-32 of the row's other columns, its place, and the hashes        20  hashes, count × 4
 *   4  CRC-32 of all after the hashes, and of the words at 8, 12, 16       …   lists of lengths, each count × 4
 *   8  length of the header in the text, UTF-16 units                      …   text, UTF-8: header, columns, bodies
 *  12  bytes of the text                                                   …   binary bodies
 *  16  number of the lists of lengths
 *
 * All numbers are little-endian and 32 bits. The header is JSON: { c: what all messages agree on, v: [name, width] of each
 * column of texts, j: the other columns as lists }. A column of texts has either one width for all, or a width of -1 and
 * a list of lengths (-1: absent). The last list is that of the bodies (negative: -1 - length of a binary one).
 */
import { crc32 } from 'node:zlib'

/** Where a block stands: covered by its checksum, so that one in the wrong place is damaged, too. */
export interface BlockPlace {
  readonly channelId: number
  /** Position of its first message. */
  readonly first: number
  /** Number of the commit that wrote it: delivered only when that commit is synced. */
  readonly seq: number
  readonly storedAtMs: number
}

/** Bytes before the hashes. */
export const headBytes = 20

const numbers: DataView = new DataView(new ArrayBuffer(48))

/** The first checksum. */
export function placeChecksum(data: Uint8Array, place: BlockPlace, count: number, bytes: number): number {
  const { channelId, first, seq, storedAtMs } = place
  numbers.setFloat64(0, channelId, true)
  numbers.setFloat64(8, first, true)
  numbers.setFloat64(16, seq, true)
  numbers.setFloat64(24, storedAtMs, true)
  numbers.setFloat64(32, count, true)
  numbers.setFloat64(40, bytes, true)
  return crc32(data.subarray(headBytes, headBytes + 4 * count), crc32(numbers))
}

/** The second checksum. */
export function contentChecksum(data: Uint8Array, count: number): number {
  return crc32(data.subarray(headBytes + 4 * count), crc32(data.subarray(8, headBytes)))
}
