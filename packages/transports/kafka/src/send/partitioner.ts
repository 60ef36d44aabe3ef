/**
 * Where the Java client puts a key: MurmurHash2 of its UTF-8 bytes with Kafka's seed, without the sign, modulo the number
 * of partitions. A key thus keeps its partition whoever writes it.
 */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}

function murmur2(bytes: Uint8Array): number {
  const { length } = bytes
  const view = new DataView(bytes.buffer, bytes.byteOffset, length)
  const multiplier = 0x5bd1e995
  let hash = 0x9747b28c ^ length
  const whole = length - (length % 4)
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(view.getInt32(at, true), multiplier)
    word = Math.imul(word ^ (word >>> 24), multiplier)
    hash = Math.imul(hash, multiplier) ^ word
  }
  for (let at = length - 1; at >= whole; at--) hash ^= view.getUint8(at) << (8 * (at - whole))
  if (length > whole) hash = Math.imul(hash, multiplier)
  hash = Math.imul(hash ^ (hash >>> 13), multiplier)
  return hash ^ (hash >>> 15)
}
