/** How attribute values are written as text in headers, and read back. The JSON form of structured mode is in structured.ts. */
import { SluiceError } from '../../errors/index.ts'
import { type AttributeName, attributeFault, attributeKinds, attributeNames } from '../attributes.ts'
import type { Envelope } from '../envelope.ts'
import { checkHeaderSet, extensionHeader } from '../headers.ts'

/** The only version of CloudEvents that is written and read. */
export const specversion: string = '1.0'

/** What a reader must be told, since nothing here reads a clock. */
export interface ReadOptions {
  /** When the message arrived, ms since the epoch: the `time` of foreign events that have none. */
  readonly receivedAtMs: number
  /** Largest message, bytes; default 1 MiB. */
  readonly bytesMax?: number
}

/** An envelope under construction. */
export type Draft = { -readonly [Name in keyof Envelope]?: Envelope[Name] }

/** Text of an attribute's value: integers as decimal digits, tags joined by commas. */
export function attributeText(value: string | number | readonly string[]): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : value.join(',')
}

const digits = /^(?:0|[1-9][0-9]{0,15})$/

/** Reads an attribute from its text, or from the JSON value of structured mode, into a draft. @throws SluiceError UNDECODABLE */
export function readAttribute(draft: Draft, name: AttributeName, value: unknown): void {
  const kind = attributeKinds[name]
  let read = value
  if ((kind === 'integer' || kind === 'count') && typeof value === 'string') read = digits.test(value) ? Number(value) : undefined
  else if (kind === 'tags' && typeof value === 'string') read = value.split(',')
  const fault = read === undefined ? 'is not an integer' : attributeFault(name, read)
  if (fault !== undefined) throw new SluiceError('UNDECODABLE', `the attribute ${name} ${fault}`, { details: { attribute: name } })
  // The default is written as its absence, so that equal messages have equal envelopes.
  if (name === 'datacontenttype' && read === 'application/json') return
  Object.assign(draft, { [name]: read })
}

/** Puts an attribute that this version does not know among the headers, so that copies keep it. @throws SluiceError UNDECODABLE */
export function keepExtension(headers: Record<string, string>, name: string, value: unknown): void {
  const header = `ce-${name}`
  const text = typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
  if (text === undefined || !extensionHeader.test(header))
    throw new SluiceError('UNDECODABLE', 'an extension attribute has a name or a value that CloudEvents does not allow')
  headers[header] = text
}

/** Completes a draft with what foreign events may leave out, and checks what they may not. @throws SluiceError UNDECODABLE, INVALID_HEADER */
export function finishDraft(draft: Draft, headers: Record<string, string>, body: string | Uint8Array, receivedAtMs: number): Envelope {
  const { id, type, source, time, ...rest } = draft
  // CloudEvents 1.0: each a non-empty string.
  if (!id || !type || !source) {
    const attribute = !id ? 'id' : !type ? 'type' : 'source'
    throw new SluiceError('UNDECODABLE', `the attribute ${attribute} is missing or empty`, { details: { attribute } })
  }
  const envelope: Envelope = { id, type, source, time: time ?? new Date(receivedAtMs).toISOString(), ...rest, body }
  if (Object.keys(headers).length === 0) return envelope
  checkHeaderSet(headers, 'message')
  return { ...envelope, headers }
}

/** Extensions kept by {@link keepExtension}, apart from the application's own headers. */
export function splitHeaders(headers: Readonly<Record<string, string>> | undefined): {
  readonly own: readonly (readonly [string, string])[]
  readonly extensions: readonly (readonly [string, string])[]
} {
  const own: (readonly [string, string])[] = []
  const extensions: (readonly [string, string])[] = []
  for (const [name, value] of Object.entries(headers ?? {})) {
    const extension = extensionHeader.exec(name)?.[1]
    if (extension === undefined) own.push([name, value])
    else extensions.push([extension, value])
  }
  return { own, extensions }
}

/** Calls `write` for each attribute that is there, in the fixed order. */
export function eachAttribute(envelope: Envelope, write: (name: AttributeName, value: string | number | readonly string[]) => void): void {
  for (const name of attributeNames) {
    const value = envelope[name]
    if (value !== undefined) write(name, value)
  }
}
