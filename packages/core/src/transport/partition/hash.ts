/**
 * The hash that places a key: 32-bit FNV-1a over the UTF-8 bytes, finished as MurmurHash3 does. It is part of the wire
 * format (docs/reference/wire-format.md): every language and version must place a key alike, so it never changes.
 * A lone surrogate counts as U+FFFD, as in every UTF-8 encoder.
 */
export function keyHash(key: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i)
    if (unit < 0x80) {
      hash = Math.imul(hash ^ unit, 0x01000193)
      continue
    }
    let point = unit
    if (unit >= 0xd800 && unit < 0xe000) {
      const next = unit < 0xdc00 ? key.charCodeAt(i + 1) : 0
      if (next >= 0xdc00 && next < 0xe000) {
        point = 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00)
        i++
      } else point = 0xfffd
    }
    if (point < 0x800) hash = Math.imul(hash ^ (0xc0 | (point >> 6)), 0x01000193)
    else {
      if (point < 0x10000) hash = Math.imul(hash ^ (0xe0 | (point >> 12)), 0x01000193)
      else {
        hash = Math.imul(hash ^ (0xf0 | (point >> 18)), 0x01000193)
        hash = Math.imul(hash ^ (0x80 | ((point >> 12) & 63)), 0x01000193)
      }
      hash = Math.imul(hash ^ (0x80 | ((point >> 6) & 63)), 0x01000193)
    }
    hash = Math.imul(hash ^ (0x80 | (point & 63)), 0x01000193)
  }
  // FNV alone leaves the low bits of short, similar keys badly mixed, and the low bits choose the partition.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Index of the partition, of `partitions`, that a key (or a lane of the parking lot) belongs to. */
export function partitionIndex(key: string, partitions: number): number {
  return partitions === 1 ? 0 : keyHash(key) % partitions
}
