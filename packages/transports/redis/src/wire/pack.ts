/**
 * A copy of a message as one binary value (delayed messages, the parking lot, dead letters, schedules): its fields as a
 * MessagePack array, which scripts unpack with cmsgpack to append it to a stream again.
 */
import { Buffer } from 'node:buffer'
import type { Envelope } from '@sluice/core/transport'
import { Commands } from '../resp/command.ts'
import { sourceOf } from '../resp/reply.ts'
import { type LogEntry, readEntries, type StoredMessage } from './entries.ts'
import { fieldList } from './fields.ts'

const array32 = 0xdd
const text32 = 0xdb

export function pack(envelope: Envelope, sizeBytes: number): Uint8Array {
  const parts: Uint8Array[] = []
  const fields = fieldList(envelope, sizeBytes)
  const head = Buffer.alloc(5)
  head[0] = array32
  head.writeUInt32BE(fields.length, 1)
  parts.push(head)
  for (const field of fields) {
    const bytes = typeof field === 'string' ? Buffer.from(field) : field
    const length = Buffer.alloc(5)
    length[0] = text32
    length.writeUInt32BE(bytes.byteLength, 1)
    parts.push(length, bytes)
  }
  return Buffer.concat(parts)
}

/** Reads what {@link pack} wrote. */
export function unpack(packed: Uint8Array): StoredMessage {
  const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength)
  const count = bytes.readUInt32BE(1)
  const fields: Uint8Array[] = []
  let at = 5
  for (let i = 0; i < count; i++) {
    const length = bytes.readUInt32BE(at + 1)
    fields.push(bytes.subarray(at + 5, at + 5 + length))
    at += 5 + length
  }
  // Read by the one reader of fields there is: as an answer with a single entry.
  const answer = new Commands()
  answer.raw('*1\r\n*2\r\n')
  answer.word('0-0')
  answer.raw(`*${fields.length}\r\n`)
  for (const field of fields) answer.word(field)
  const parts = answer.parts().map((part) => (typeof part === 'string' ? Buffer.from(part) : part))
  const [entry] = readEntries(sourceOf(Buffer.concat(parts))) as [LogEntry]
  return entry
}
