import type { Clock, Timer } from '../../clock/index.ts'
import type { Envelope } from '../../message/index.ts'
import type { DeadLetterReason } from '../../transport/index.ts'
import type { Log } from './log.ts'
import type { LogFields } from './logger.ts'

/** Lines of one fault: the first at once, then one a window with their number, so that 10,000 dead letters do not make 10,000 lines. */
const windowMs = 60_000
/** Faults told apart at once; beyond, the oldest is forgotten and its next line comes at once. */
const faultsMax = 1_000

type Level = 'debug' | 'warn'

interface Fault {
  readonly level: Level
  /** Of the summary. */
  readonly message: string
  readonly fields: LogFields
  /** Not written since the last line. */
  more: number
}

/**
 * Tells the application's logger what became of messages whose handling failed. Neither payload, key, nor the text of
 * the handler's error is written (it may quote data): the dead letter has it.
 */
export class FaultLog {
  readonly #log: Log
  readonly #clock: Clock
  readonly #faults: Map<string, Fault> = new Map()
  #timer: Timer | undefined

  constructor(log: Log, clock: Clock) {
    this.#log = log
    this.#clock = clock
  }

  /** A message was given up. */
  deadLetter(channel: string, group: string, { type, id }: Envelope, reason: Pick<DeadLetterReason, 'code' | 'attempts' | 'fingerprint'>): void {
    const { code, attempts, fingerprint } = reason
    this.#tell(
      'warn',
      'dead letter',
      [channel, group, type, fingerprint],
      { type, group, channel, code, fingerprint, list: listing(type, group, channel) },
      { id, attempts },
    )
  }

  /** A message of a newer version of its contract keeps its lane waiting. */
  newerVersion(channel: string, group: string, { type, id, schemaversion }: Envelope): void {
    const fields = { type, group, channel, version: schemaversion, fix: 'deploy this service with the newer contract' }
    this.#tell('warn', 'a message of a newer version is held, and its lane with it', [channel, group, type, String(schemaversion)], fields, { id })
  }

  /** A message is handled once more. */
  retry(channel: string, group: string, { type, id }: Envelope, attempt: number): void {
    this.#tell('debug', 'handled again after a failed attempt', [channel, group, type], { type, group, channel }, { id, attempt })
  }

  /** Writes what was counted and not written yet; called at stop. */
  flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    for (const [key, fault] of this.#faults) {
      if (fault.more === 0) this.#faults.delete(key)
      else {
        this.#log[fault.level](`${fault.message}: ${fault.more} more of the same`, fault.fields)
        fault.more = 0
      }
    }
  }

  #tell(level: Level, message: string, what: readonly string[], fields: LogFields, ofThisOne: LogFields): void {
    const key = [message, ...what].join('\0')
    const fault = this.#faults.get(key)
    if (fault === undefined) {
      if (this.#faults.size >= faultsMax) this.#forgetOldest()
      this.#faults.set(key, { level, message, fields, more: 0 })
      this.#log[level](message, { ...ofThisOne, ...fields })
    } else fault.more++
    this.#timer ??= this.#clock.setTimer(windowMs, () => this.#everyWindow())
  }

  #everyWindow(): void {
    this.flush()
    if (this.#faults.size > 0) this.#timer = this.#clock.setTimer(windowMs, () => this.#everyWindow())
  }

  #forgetOldest(): void {
    for (const key of this.#faults.keys()) {
      this.#faults.delete(key)
      return
    }
  }
}

/** How to look at it, in code. A command's group is its channel, and needs no naming. */
function listing(type: string, group: string, channel: string): string {
  return group === channel ? `bus.deadLetters(<contract ${type}>).list()` : `bus.deadLetters(<contract ${type}>, { group: '${group}' }).list()`
}
