import { Buffer } from 'node:buffer'
import { SluiceError } from '../errors/index.ts'

// `ignoreBOM: true` keeps a byte order mark in the text, where the JSON decoder refuses it: it is data, not silence.
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of UTF-8 bytes. @throws SluiceError UNDECODABLE for anything that is not UTF-8; nothing is replaced. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch {
    throw new SluiceError('UNDECODABLE', 'the bytes are not UTF-8')
  }
}

/** UTF-8 bytes of a text. Unpaired surrogates must have been refused before (they would become U+FFFD). */
export function encodeUtf8(text: string): Uint8Array {
  return Buffer.from(text, 'utf8')
}

/** How many bytes a text takes as UTF-8. */
export function utf8Length(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}
