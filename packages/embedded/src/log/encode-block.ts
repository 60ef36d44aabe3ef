/** Writes a block: columns, lengths, one text; the layout stands in `block-layout.ts`. */
import type { Envelope } from '@sluice/core/transport'
import { attributeNames, commonAttributes, hasRareAttributes } from './attribute-column.ts'
import { type BlockPlace, contentChecksum, headBytes, placeChecksum } from './block-layout.ts'

/** One message to be written. */
export interface BlockEntry {
  readonly envelope: Envelope
  readonly hash: number
  readonly sizeBytes: number
}

/** What is written for a block, beside its place. */
export interface EncodedBlock {
  readonly count: number
  /** Sum of what the messages' owners counted. */
  readonly bytes: number
  readonly data: Uint8Array
}

interface Columns {
  readonly constants: Record<string, unknown>
  readonly texts: [name: string, width: number][]
  readonly lists: Record<string, unknown>
  readonly lengths: Int32Array[]
  text: string
}

/** One attribute of all messages: a constant, a column of texts, or a list. */
function addColumn(columns: Columns, entries: readonly BlockEntry[], name: keyof Envelope): void {
  const count = entries.length
  const first: unknown = (entries[0] as BlockEntry).envelope[name]
  let same = 1
  while (same < count && (entries[same] as BlockEntry).envelope[name] === first) same++
  if (same === count) {
    if (first !== undefined) columns.constants[name] = first
    return
  }
  const lengths = new Int32Array(count)
  const width = typeof first === 'string' ? first.length : -1
  let sameWidth = true
  let text = ''
  let isText = true
  for (let i = 0; i < count; i++) {
    const value: unknown = (entries[i] as BlockEntry).envelope[name]
    if (typeof value === 'string') {
      text += value
      lengths[i] = value.length
    } else if (value === undefined) lengths[i] = -1
    else {
      isText = false
      break
    }
    if (lengths[i] !== width) sameWidth = false
  }
  // UTF-8 has no half surrogates; JSON escapes them.
  if (!isText || !text.isWellFormed()) columns.lists[name] = entries.map((entry) => entry.envelope[name] ?? null)
  else {
    columns.texts.push([name, sameWidth ? width : -1])
    if (!sameWidth) columns.lengths.push(lengths)
    columns.text += text
  }
}

/** Encodes at least one message. */
export function encodeBlock(entries: readonly BlockEntry[], place: BlockPlace): EncodedBlock {
  const count = entries.length
  const columns: Columns = { constants: {}, texts: [], lists: {}, lengths: [], text: '' }
  for (const name of entries.some((entry) => hasRareAttributes(entry.envelope)) ? attributeNames : commonAttributes) addColumn(columns, entries, name)
  const bodyLengths = new Int32Array(count)
  columns.lengths.push(bodyLengths)
  let bodies = ''
  let bytes = 0
  let binaryBytes = 0
  for (let i = 0; i < count; i++) {
    const entry = entries[i] as BlockEntry
    const body = entry.envelope.body
    if (typeof body === 'string') {
      bodies += body
      bodyLengths[i] = body.length
    } else {
      // -1 is the empty binary body, so that it differs from the empty text.
      bodyLengths[i] = -1 - body.byteLength
      binaryBytes += body.byteLength
    }
    bytes += entry.sizeBytes
  }
  const header = JSON.stringify({ c: columns.constants, v: columns.texts, j: columns.lists })
  const text = Buffer.from(header + columns.text + bodies)
  const textAt = headBytes + 4 * count * (1 + columns.lengths.length)
  const data = Buffer.allocUnsafe(textAt + text.length + binaryBytes)
  data.writeUInt32LE(header.length, 8)
  data.writeUInt32LE(text.length, 12)
  data.writeUInt32LE(columns.lengths.length, 16)
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  for (let i = 0; i < count; i++) view.setUint32(headBytes + i * 4, (entries[i] as BlockEntry).hash, true)
  let at = headBytes + 4 * count
  for (const lengths of columns.lengths) for (let i = 0; i < count; i++, at += 4) view.setInt32(at, lengths[i] as number, true)
  data.set(text, textAt)
  at = textAt + text.length
  if (binaryBytes > 0) {
    for (const { envelope } of entries) {
      if (typeof envelope.body === 'string') continue
      data.set(envelope.body, at)
      at += envelope.body.byteLength
    }
  }
  data.writeUInt32LE(placeChecksum(data, place, count, bytes), 0)
  data.writeUInt32LE(contentChecksum(data, count), 4)
  return { count, bytes, data }
}
