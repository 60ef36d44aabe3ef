/** Reads the LZ4 frame format; checksums are left to the batch's own. */
const magic = 0x184d2204

/** @throws RangeError for damaged bytes, or more than `bytesMax`. */
export function lz4Frame(bytes: Buffer, bytesMax: number): Buffer {
  if (bytes.readUInt32LE(0) !== magic) throw damaged()
  const flags = bytes.readUInt8(4)
  const hasBlockChecksum = (flags & 0x10) !== 0
  const hasSize = (flags & 0x08) !== 0
  const hasDictionary = (flags & 0x01) !== 0
  let at = 6 + (hasSize ? 8 : 0) + (hasDictionary ? 4 : 0) + 1
  let out = Buffer.allocUnsafe(Math.min(bytesMax, bytes.length * 4 + 1024))
  let end = 0
  const room = (count: number): void => {
    if (end + count > bytesMax) throw new RangeError('a frame is too large')
    if (end + count <= out.length) return
    const larger = Buffer.allocUnsafe(Math.max(end + count, Math.min(bytesMax, out.length * 2)))
    out.copy(larger, 0, 0, end)
    out = larger
  }
  for (;;) {
    const word = bytes.readUInt32LE(at)
    at += 4
    if (word === 0) return out.subarray(0, end)
    const size = word & 0x7fffffff
    const stop = at + size
    if (stop > bytes.length) throw damaged()
    if (word >>> 31 === 1) {
      room(size)
      bytes.copy(out, end, at, stop)
      end += size
    } else {
      while (at < stop) {
        const token = bytes.readUInt8(at++)
        const literals = lengthOf(token >>> 4)
        room(literals)
        if (at + literals > stop) throw damaged()
        bytes.copy(out, end, at, at + literals)
        at += literals
        end += literals
        if (at >= stop) break
        const back = bytes.readUInt16LE(at)
        at += 2
        const count = lengthOf(token & 15) + 4
        if (back === 0 || back > end) throw damaged()
        room(count)
        for (let i = 0; i < count; i++) out[end + i] = out[end + i - back] as number
        end += count
      }
    }
    at = stop + (hasBlockChecksum ? 4 : 0)
  }

  function lengthOf(nibble: number): number {
    let length = nibble
    if (nibble !== 15) return length
    for (;;) {
      const byte = bytes.readUInt8(at++)
      length += byte
      if (byte !== 255) return length
    }
  }
}

function damaged(): RangeError {
  return new RangeError('an LZ4 frame is damaged')
}
