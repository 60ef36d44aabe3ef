import type { PublishOptions } from '../sender/api.ts'

/** Options of `bus.schedule`. */
export interface ScheduleOptions extends Pick<PublishOptions, 'key' | 'headers' | 'subject' | 'tags' | 'priority' | 'expiresInMs'> {
  /** IANA time zone in which the cron expression is read. Default `UTC`. */
  readonly timeZone?: string
}

/** A recurring schedule, shared by all instances that state it under the same name. */
export interface ScheduleHandle {
  readonly name: string
  readonly cron: string
  readonly timeZone: string
  /** When it fires next, ms since the epoch, as known here. */
  readonly nextAtMs: number
  /** Ends the schedule for everybody. False if it was gone already. */
  remove(): Promise<boolean>
}
