/** Notes of a lot as records of its topic. */
import { noteRecord, readNote, readNotedMessage } from '../note-record.ts'
import type { KafkaRecord, NewRecord } from '../protocol/records.ts'
import type { LotMessage, LotNote } from './lot-state.ts'

export function lotRecord(note: LotNote, message: LotMessage | undefined): NewRecord {
  return noteRecord(note, message)
}

/** undefined: it is not of Sluice. */
export function readLotRecord(record: KafkaRecord, topic: string): { readonly note: LotNote; readonly message: LotMessage | undefined } | undefined {
  const note = readNote<LotNote>(record)
  return note === undefined ? undefined : { note, message: note.kind === 'entry' || note.kind === 'letter' ? readNotedMessage(record, topic) : undefined }
}
