import { SluiceError } from '../errors/index.ts'
import type { Envelope } from './envelope.ts'
import { messageBytesMaxDefault } from './limits.ts'
import { utf8Length } from './utf8.ts'

// Upper bound of what the names of the attributes and the framing of either mode add.
const framingBytes = 64

/**
 * Size of a message in bytes: the UTF-8 of every attribute value, header name and value, the body, and 64 for
 * framing. One rule for every transport and language, so that a message that fits one fits all of the same limit.
 * Costs a fraction of encoding; nothing is encoded a second time.
 */
export function sizeOf(envelope: Envelope): number {
  const body = envelope.body
  let bytes = framingBytes + (typeof body === 'string' ? utf8Length(body) : body.byteLength)
  // These are nearly always ASCII; one addition each, and an exact count where it is not.
  // A time (RFC 3339) is always ASCII; type and source repeat from message to message.
  const idBytes = textBytes(envelope.id)
  bytes += idBytes + repeatedBytes(envelope.type, 0) + repeatedBytes(envelope.source, 1) + envelope.time.length
  bytes += optionalBytes(envelope.subject) + optionalBytes(envelope.partitionkey) + optionalBytes(envelope.sequence)
  bytes += optionalBytes(envelope.datacontenttype) + optionalBytes(envelope.datacontentencoding) + optionalBytes(envelope.dataschema)
  // The first message of a conversation names itself.
  bytes += (envelope.correlationid === envelope.id ? idBytes : optionalBytes(envelope.correlationid)) + optionalBytes(envelope.causationid)
  bytes += optionalBytes(envelope.traceparent) + optionalBytes(envelope.tracestate)
  bytes += (envelope.expirytime?.length ?? 0) + (envelope.notbefore?.length ?? 0)
  bytes += optionalBytes(envelope.replyto) + optionalBytes(envelope.replyfor) + optionalBytes(envelope.producerid)
  // The four integers, as decimal digits, take at most 16 each.
  if (envelope.schemaversion !== undefined) bytes += 10
  if (envelope.attempt !== undefined) bytes += 10
  if (envelope.producerepoch !== undefined) bytes += 16
  if (envelope.producerseq !== undefined) bytes += 16
  if (envelope.tags !== undefined) for (const tag of envelope.tags) bytes += textBytes(tag) + 1
  const headers = envelope.headers
  if (headers !== undefined) for (const name in headers) bytes += name.length + textBytes(headers[name] as string)
  return bytes
}

/**
 * As {@link sizeOf}, or refuses.
 * @throws SluiceError MESSAGE_TOO_LARGE when attributes, headers and body together exceed `bytesMax` (default 1 MiB).
 */
export function checkSize(envelope: Envelope, bytesMax: number = messageBytesMaxDefault): number {
  const bytes = sizeOf(envelope)
  if (bytes > bytesMax) throw tooLarge(bytes, bytesMax, 'the message (attributes, headers and body together)')
  return bytes
}

/** Sum of sizes of a batch, for transports that bound a request. @throws SluiceError MESSAGE_TOO_LARGE beyond `bytesMax`. */
export function checkBatchSize(sizesBytes: Iterable<number>, bytesMax: number): number {
  let bytes = 0
  for (const sizeBytes of sizesBytes) bytes += sizeBytes
  if (bytes > bytesMax) throw tooLarge(bytes, bytesMax, 'the batch')
  return bytes
}

/** The error of everything that is too large, with the same fix everywhere. */
export function tooLarge(bytes: number | undefined, bytesMax: number, what: string): SluiceError {
  const is = bytes === undefined ? `is larger than ${bytesMax} bytes` : `has ${bytes} bytes, more than ${bytesMax}`
  return new SluiceError('MESSAGE_TOO_LARGE', `${what} ${is}`, {
    fix: 'Send a reference to the data, compress it, or raise the limit on both sides',
    details: bytes === undefined ? { bytesMax } : { bytes, bytesMax },
  })
}

function optionalBytes(text: string | undefined): number {
  return text === undefined ? 0 : textBytes(text)
}

const lastTexts: string[] = ['', '']
const lastBytes: number[] = [0, 0]

function repeatedBytes(text: string, slot: 0 | 1): number {
  if (text === lastTexts[slot]) return lastBytes[slot] as number
  lastTexts[slot] = text
  const bytes = textBytes(text)
  lastBytes[slot] = bytes
  return bytes
}

// A native call costs more than a short loop; a long text is the other way round.
function textBytes(text: string): number {
  const length = text.length
  if (length > 64) return utf8Length(text)
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) > 0x7f) return utf8Length(text)
  return length
}
