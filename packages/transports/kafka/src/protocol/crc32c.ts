// Four tables, so that four bytes go a step (Castagnoli's polynomial, reflected).
const tables = Array.from({ length: 4 }, () => new Int32Array(256))
for (let i = 0; i < 256; i++) {
  let value = i
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  ;(tables[0] as Int32Array)[i] = value
}
for (let t = 1; t < 4; t++)
  for (let i = 0; i < 256; i++) {
    const before = (tables[t - 1] as Int32Array)[i] as number
    ;(tables[t] as Int32Array)[i] = ((tables[0] as Int32Array)[before & 0xff] as number) ^ (before >>> 8)
  }
const [t0, t1, t2, t3] = tables as [Int32Array, Int32Array, Int32Array, Int32Array]

/** The checksum of record batches, as a signed 32-bit number. */
export function crc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = -1
  let at = from
  for (; at + 4 <= to; at += 4) {
    crc ^= (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)
    crc = (t3[crc & 0xff] as number) ^ (t2[(crc >>> 8) & 0xff] as number) ^ (t1[(crc >>> 16) & 0xff] as number) ^ (t0[crc >>> 24] as number)
  }
  for (; at < to; at++) crc = (t0[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8)
  return ~crc
}
