import { type Envelope, SluiceError } from '@sluice/core/transport'

/** One message as a row: attributes as JSON, the body as TEXT or BLOB. Used wherever messages stand alone (lot, dead letters, delayed). */
export interface EnvelopeRow {
  readonly attributes: string
  readonly body: string | Uint8Array
}

export function encodeEnvelope(envelope: Envelope): EnvelopeRow {
  const { body, ...attributes } = envelope
  return { attributes: JSON.stringify(attributes), body }
}

export function decodeEnvelope(row: EnvelopeRow, path: string): Envelope {
  let attributes: Omit<Envelope, 'body'>
  try {
    attributes = JSON.parse(row.attributes)
  } catch (cause) {
    throw new SluiceError('STORE_CORRUPT', `a stored message in ${path} has unreadable attributes`, { cause, fix: 'Restore the file from a backup' })
  }
  return { ...attributes, body: row.body }
}
