/** Reads Snappy: one raw block, or the framing of Java's library (magic, then blocks with their lengths). */
const javaMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])

/** @throws RangeError for damaged bytes, or more than `bytesMax`. */
export function snappy(bytes: Buffer, bytesMax: number): Buffer {
  if (!bytes.subarray(0, 8).equals(javaMagic)) return block(bytes, bytesMax)
  const blocks: Buffer[] = []
  let left = bytesMax
  for (let at = 16; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at)
    if (at + 4 + length > bytes.length) throw damaged()
    const inflated = block(bytes.subarray(at + 4, at + 4 + length), left)
    left -= inflated.length
    blocks.push(inflated)
    at += 4 + length
  }
  return Buffer.concat(blocks)
}

function block(bytes: Buffer, bytesMax: number): Buffer {
  let at = 0
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    if (byte === undefined || shift > 28) throw damaged()
    length += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) break
  }
  if (length > bytesMax) throw new RangeError('a block is too large')
  const out = Buffer.allocUnsafe(length)
  let end = 0
  while (at < bytes.length) {
    const tag = bytes[at++] as number
    const kind = tag & 3
    if (kind === 0) {
      let count = tag >>> 2
      if (count >= 60) {
        const size = count - 59
        count = bytes.readUIntLE(at, size)
        at += size
      }
      count++
      if (end + count > length || at + count > bytes.length) throw damaged()
      bytes.copy(out, end, at, at + count)
      at += count
      end += count
      continue
    }
    const count = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1
    let back: number
    if (kind === 1) back = ((tag >>> 5) << 8) | bytes.readUInt8(at++)
    else if (kind === 2) {
      back = bytes.readUInt16LE(at)
      at += 2
    } else {
      back = bytes.readUInt32LE(at)
      at += 4
    }
    if (back === 0 || back > end || end + count > length) throw damaged()
    for (let i = 0; i < count; i++) out[end + i] = out[end + i - back] as number
    end += count
  }
  if (end !== length) throw damaged()
  return out
}

function damaged(): RangeError {
  return new RangeError('a Snappy block is damaged')
}
