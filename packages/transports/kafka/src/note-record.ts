/** Notes of a log that members keep together (a lot, what is to be sent later) as records of its topic, with the message that they are about. */
import type { Envelope } from '@sluice/core/transport'
import type { KafkaRecord, NewRecord } from './protocol/records.ts'
import { fromRecord, toRecord } from './wire.ts'

const header = 'sluice-note'

/** A message that a note is about. */
export interface NotedMessage {
  readonly envelope: Envelope
  readonly sizeBytes: number
}

/** What makes a message's record a note, as `extra` of {@link toRecord}. */
export function noteHeader(note: object): readonly string[] {
  return [header, JSON.stringify(note)]
}

export function noteRecord(note: object, message?: NotedMessage): NewRecord {
  const headers = noteHeader(note)
  return message === undefined ? { key: null, value: null, headers } : toRecord(message.envelope, message.sizeBytes, headers)
}

/** undefined: it is not of Sluice. The type is what whoever reads the topic writes to it. */
export function readNote<N>(record: KafkaRecord): N | undefined {
  const text = record.headers.find(([name]) => name === header)?.[1]?.toString()
  return text === undefined ? undefined : JSON.parse(text)
}

/** The message of a note that is about one. */
export function readNotedMessage(record: KafkaRecord, topic: string): NotedMessage {
  return fromRecord(record, topic)
}
