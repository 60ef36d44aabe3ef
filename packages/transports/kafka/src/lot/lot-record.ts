/** Notes of a lot as records of its topic. */
import type { KafkaRecord, NewRecord } from '../protocol/records.ts'
import { fromRecord, toRecord } from '../wire.ts'
import type { LotMessage, LotNote } from './lot-state.ts'

const header = 'sluice-note'

export function lotRecord(note: LotNote, message: LotMessage | undefined): NewRecord {
  const text = JSON.stringify(note)
  return message === undefined ? { key: null, value: null, headers: [header, text] } : toRecord(message.envelope, message.sizeBytes, [header, text])
}

/** undefined: it is not of Sluice. */
export function readLotRecord(record: KafkaRecord, topic: string): { readonly note: LotNote; readonly message: LotMessage | undefined } | undefined {
  const text = record.headers.find(([name]) => name === header)?.[1]?.toString()
  if (text === undefined) return undefined
  const note: LotNote = JSON.parse(text)
  return { note, message: note.kind === 'entry' || note.kind === 'letter' ? fromRecord(record, topic) : undefined }
}
