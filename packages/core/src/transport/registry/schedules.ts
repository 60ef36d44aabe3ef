/** Recurring messages in a registry, and what was fired of them until it is sent: the record that moves a schedule on holds the message, too. */
import type { Envelope } from '../../message/index.ts'
import type { OutgoingMessage, ScheduleRecord } from '../transport.ts'
import { doneIf, type RegistryOutcome } from './tables.ts'

/** A message as a registry's JSON holds it. */
export interface KeptMessage extends Omit<OutgoingMessage, 'envelope'> {
  readonly envelope: Omit<Envelope, 'body'> & { readonly body: string | { readonly base64: string } }
}

/** A recurring message; part of the snapshot, so plain JSON. */
export interface RegisteredSchedule extends Omit<ScheduleRecord, 'message'> {
  readonly message: KeptMessage
}

/** What a schedule fired; part of the snapshot. */
export interface RegisteredFiring {
  readonly id: string
  readonly message: KeptMessage
}

/** Records of schedules that mean the same in every registry. */
export type ScheduleChange<F extends RegisteredFiring> =
  | { readonly op: 'schedule'; readonly schedule: RegisteredSchedule }
  | { readonly op: 'schedule-gone'; readonly name: string }
  | { readonly op: 'fire'; readonly name: string; readonly expectedAtMs: number; readonly nextAtMs: number; readonly firing: F }
  | { readonly op: 'fired'; readonly id: string }

/** Schedules by name, firings by id. No I/O, no clock. */
export class ScheduleTable<F extends RegisteredFiring> {
  readonly firings: Map<string, F> = new Map()
  readonly #schedules: Map<string, RegisteredSchedule> = new Map()

  get(name: string): ScheduleRecord | undefined {
    const found = this.#schedules.get(name)
    return found === undefined ? undefined : { ...found, message: restoreMessage(found.message) }
  }

  all(): readonly ScheduleRecord[] {
    return [...this.#schedules.values()].map((schedule) => ({ ...schedule, message: restoreMessage(schedule.message) }))
  }

  /** All that is here, to be written as JSON for whoever comes later. */
  tables(): { readonly schedules: readonly RegisteredSchedule[]; readonly firings: readonly F[] } {
    return { schedules: [...this.#schedules.values()], firings: [...this.firings.values()] }
  }

  /** Takes what {@link tables} gave in the place of all that is here. */
  restore({ schedules, firings }: { readonly schedules: readonly RegisteredSchedule[]; readonly firings: readonly F[] }): void {
    this.#schedules.clear()
    this.firings.clear()
    for (const schedule of schedules) this.#schedules.set(schedule.name, schedule)
    for (const firing of firings) this.firings.set(firing.id, firing)
  }

  apply(change: ScheduleChange<F>): RegistryOutcome {
    switch (change.op) {
      case 'schedule':
        this.#put(change.schedule)
        return 'done'
      case 'schedule-gone':
        return doneIf(this.#schedules.delete(change.name))
      case 'fire': {
        const known = this.#schedules.get(change.name)
        if (known === undefined || known.nextAtMs !== change.expectedAtMs) return 'refused'
        this.#schedules.set(change.name, { ...known, nextAtMs: change.nextAtMs })
        this.firings.set(change.firing.id, change.firing)
        return 'done'
      }
      case 'fired':
        return doneIf(this.firings.delete(change.id))
    }
  }

  /** One that is there with the same cron and zone keeps its next time. */
  #put(schedule: RegisteredSchedule): void {
    const known = this.#schedules.get(schedule.name)
    const same = known !== undefined && known.cron === schedule.cron && known.timeZone === schedule.timeZone
    this.#schedules.set(schedule.name, same ? { ...schedule, nextAtMs: known.nextAtMs } : schedule)
  }
}

/** The message, so that JSON can hold it. */
export function keepMessage({ envelope, ...rest }: OutgoingMessage): KeptMessage {
  const { body } = envelope
  return { ...rest, envelope: { ...envelope, body: typeof body === 'string' ? body : { base64: Buffer.from(body).toString('base64') } } }
}

/** The message that {@link keepMessage} was given. */
export function restoreMessage({ envelope, ...rest }: KeptMessage): OutgoingMessage {
  const { body } = envelope
  return { ...rest, envelope: { ...envelope, body: typeof body === 'string' ? body : new Uint8Array(Buffer.from(body.base64, 'base64')) } }
}
