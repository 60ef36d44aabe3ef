import type { AttemptRecord, Delivery } from '../transport.ts'

/** What a transport keeps of an {@link AttemptRecord}: all but the delivery. Plain JSON. */
export type Attempts = Omit<AttemptRecord, 'delivery'>

/** The part of a record that is kept. */
export function attemptsOf({ attempt, notBeforeMs, firstDeliveredAtMs, note }: AttemptRecord): Attempts {
  return { attempt, notBeforeMs, firstDeliveredAtMs, ...(note === undefined ? {} : { note }) }
}

/** What a delivery says of its attempts; `firstDeliveredAtMs`: what is known of it where nothing was recorded. */
export function attemptFields(
  attempts: Attempts | undefined,
  firstDeliveredAtMs: number | undefined,
): Pick<Delivery, 'attempt' | 'notBeforeMs' | 'firstDeliveredAtMs' | 'note'> {
  if (attempts === undefined) return { attempt: 0, notBeforeMs: 0, firstDeliveredAtMs, note: undefined }
  return { attempt: attempts.attempt, notBeforeMs: attempts.notBeforeMs, firstDeliveredAtMs: attempts.firstDeliveredAtMs, note: attempts.note }
}
