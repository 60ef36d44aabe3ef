import { crc32 } from 'node:zlib'
import { type Envelope, SluiceError } from '@sluice/core/transport'
import type { Database } from '../sqlite/connection.ts'

/**
 * One message as a row: attributes as JSON, the body as TEXT or BLOB. Used wherever messages stand alone (lot, dead letters,
 * delayed). SQLite has no checksums for pages of the database file: without `checksum`, a bit that flips on the disk would
 * be delivered as data. It begins with the bus's id, so that a row of another file does not verify either, and with the row's
 * place: what else of the row never changes and decides where and when the message goes.
 */
export interface EnvelopeRow {
  readonly attributes: string
  readonly body: string | Uint8Array
  readonly checksum: number
}

const seeds: WeakMap<Database, number> = new WeakMap()

function busSeed(db: Database): number {
  let seed = seeds.get(db)
  if (seed === undefined) {
    seed = crc32(db.one<{ bus_id: string }>('SELECT bus_id FROM state').bus_id)
    seeds.set(db, seed)
  }
  return seed
}

/** A row's columns as one text: no two different rows have the same. */
export function placeOf(...columns: readonly (string | number | null)[]): string {
  return JSON.stringify(columns)
}

/** Of the row's place, JSON text and a body that belongs to it. */
export function rowChecksum(db: Database, place: string, json: string, body: string | Uint8Array): number {
  return crc32(body, crc32(json, crc32(`${place},${json.length},${typeof body},`, busSeed(db))))
}

export function encodeEnvelope(db: Database, place: string, envelope: Envelope): EnvelopeRow {
  const { body, ...rest } = envelope
  const attributes = JSON.stringify(rest)
  return { attributes, body, checksum: rowChecksum(db, place, attributes, body) }
}

/** Throws STORE_CORRUPT where the row is not what was written. */
export function decodeEnvelope(db: Database, place: string, row: EnvelopeRow, path: string): Envelope {
  if (!isWhole(db, place, row.attributes, row)) throw damagedRow('a stored message', path)
  return envelopeOf(row)
}

/** Of a row that is known to be whole. */
export function envelopeOf(row: EnvelopeRow): Envelope {
  const attributes = JSON.parse(row.attributes) as Omit<Envelope, 'body'>
  return { ...attributes, body: row.body }
}

/** Whether a row is what was written. A flipped bit may also have made a number or NULL of a text. */
export function isWhole(db: Database, place: string, json: unknown, row: { readonly body: unknown; readonly checksum: unknown }): boolean {
  const { body, checksum } = row
  if (typeof json !== 'string' || !(typeof body === 'string' || body instanceof Uint8Array)) return false
  return rowChecksum(db, place, json, body) === checksum
}

/** The error for a row that is not what was written. */
export function damagedRow(what: string, path?: string): SluiceError {
  return new SluiceError('STORE_CORRUPT', `${what} in the bus file${path === undefined ? '' : ` ${path}`} is damaged`, {
    ...(path === undefined ? {} : { details: { path } }),
    fix: 'Stop all services that use the file, look at it with `sluice check`, and restore it from a backup; keep the damaged file for analysis',
  })
}
