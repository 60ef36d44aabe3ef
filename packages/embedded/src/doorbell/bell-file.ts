/**
 * What is in the doorbell's file: bytes 0 to 7 the number of the highest synced commit (a double), 8 to 43 the id of the bus.
 * It is not synced itself and may be deleted while nothing runs. What it says can be too little, and is then no claim.
 */
import { readFileSync } from 'node:fs'
import { SluiceError } from '@sluice/core/transport'

/** What a doorbell claims. */
export interface BellContent {
  /** Commits up to this one are on the disk; 0: no claim. */
  readonly syncedSeq: number
  /** Whose doorbell it is; undefined: no claim. */
  readonly busId: string | undefined
}

/** Where a doorbell names its bus, bytes. */
export const bellIdAt: number = 8
const idBytes = 36
/** Bytes of a doorbell that names its bus. */
export const bellBytes: number = bellIdAt + idBytes

export function decodeBell(bytes: Uint8Array): BellContent {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const seq = buffer.length < bellIdAt ? 0 : buffer.readDoubleLE(0)
  const id = buffer.length < bellBytes ? '' : buffer.toString('latin1', bellIdAt, bellBytes)
  return { syncedSeq: Number.isSafeInteger(seq) && seq > 0 ? seq : 0, busId: /^[0-9a-f-]{36}$/.test(id) ? id : undefined }
}

export function encodeBell(seq: number, busId: string): Uint8Array {
  const buffer = Buffer.alloc(bellBytes)
  buffer.writeDoubleLE(seq, 0)
  buffer.write(busId.padEnd(idBytes, ' ').slice(0, idBytes), bellIdAt, 'latin1')
  return buffer
}

/** The doorbell beside a bus file; no claims where there is none. */
export function readBell(path: string): BellContent {
  try {
    return decodeBell(readFileSync(`${path}-bell`))
  } catch {
    return { syncedSeq: 0, busId: undefined }
  }
}

/**
 * Throws STORE_CORRUPT where the doorbell and what SQLite shows of the file cannot be of one bus. The file must be read after
 * the bell: others commit and ring meanwhile.
 */
export function verifyBell(path: string, bell: BellContent, busId: string, committedSeq: number): void {
  if (bell.busId !== undefined && bell.busId !== busId)
    throw new SluiceError(
      'STORE_CORRUPT',
      `${path} shows the bus ${busId}, but its doorbell is that of ${bell.busId}: a -wal file or a doorbell of another bus stands beside it`,
      {
        details: { path, busId, bellBusId: bell.busId },
        fix: `Put the file's own ${path}-wal back. If it is the doorbell that is foreign (you moved another bus here), delete ${path}-bell`,
      },
    )
  if (bell.syncedSeq > committedSeq)
    throw new SluiceError(
      'STORE_CORRUPT',
      `${path} ends at commit ${committedSeq}, but commits up to ${bell.syncedSeq} were synced: its -wal file is damaged or gone, or an older copy stands in its place`,
      {
        details: { path, committedSeq, syncedSeq: bell.syncedSeq },
        fix: `If you restored a backup, delete ${path}-bell and start again. Otherwise keep the files for analysis and restore a backup: messages that were confirmed are missing`,
      },
    )
}
