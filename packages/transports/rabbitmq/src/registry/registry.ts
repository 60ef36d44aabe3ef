/**
 * The registry: a stream queue that every member appends to and reads from its beginning. What is appended counts in the
 * order of the stream, so an append that comes back is a decision: compare and set, without a lock and without a leader.
 * It holds what AMQP cannot list or keep: channels, groups, members, pauses, schedules. Messages never pass through it.
 */
import { ChangeListeners, type Clock, newId, type RegistryOutcome, type Timer } from '@sluice/core/transport'
import type { Channel, ConsumeMessage } from 'amqplib'
import { alarmError, brokenError, closedError, isHomeDown, operationError } from '../link/errors.ts'
import type { Link, LinkUser } from '../link/link.ts'
import type { Publisher } from '../send/publisher.ts'
import { type RegistryRecord, RegistryState } from './state.ts'

/** The stream keeps 64 MB (first-declaration.ts): a snapshot every so many records is always in what is left. */
const snapshotEvery = 1_000
/** A record that did not come back was lost with a connection, or is late; ms. */
const patienceMs = 15_000
/** Under an alarm of the server it waits for less: nobody knows when that ends; ms. */
const alarmPatienceMs = 3_000
/** A stream that could not be read is tried again after this, ms. */
const readAgainMs = 200

interface Waiting {
  readonly resolve: (outcome: RegistryOutcome) => void
  readonly reject: (error: Error) => void
  timer: Timer
}

/** See the header of this file. */
export class Registry implements LinkUser {
  readonly state: RegistryState = new RegistryState()
  readonly #link: Link
  readonly #publisher: Publisher
  readonly #clock: Clock
  readonly #queue: string
  readonly #declare: () => Promise<void>
  /** Why the server takes no records now. */
  readonly #alarm: () => string | undefined
  readonly #waiting: Map<string, Waiting> = new Map()
  /** Told after the state has changed. */
  readonly changes: ChangeListeners = new ChangeListeners()
  #channel: Channel | undefined
  /** Offset of the last record that was applied. */
  #offset = -1
  /** Records read before the snapshot that they belong to; undefined: it is not needed, or was read. */
  #early: { readonly offset: number; readonly record: RegistryRecord }[] | undefined
  #marking: Promise<void> | undefined
  #closed = false

  constructor(link: Link, publisher: Publisher, clock: Clock, queue: string, declare: () => Promise<void>, alarm: () => string | undefined) {
    this.#link = link
    this.#publisher = publisher
    this.#clock = clock
    this.#queue = queue
    this.#declare = declare
    this.#alarm = alarm
  }

  /** Resolves when everything that is there was read. */
  async open(): Promise<void> {
    const endMs = this.#clock.monotonicMs() + patienceMs
    while (!(await this.#begin(endMs))) await new Promise<void>((resolve) => void this.#clock.setTimer(readAgainMs, resolve))
    this.#link.use(this)
    await this.sync()
  }

  /** Appends a record; resolves when it has come back and was applied, to what it came to. Rejects TRANSPORT_FAILED, under an alarm BACKPRESSURE. */
  async append(record: RegistryRecord): Promise<RegistryOutcome> {
    if (this.#closed) throw closedError()
    const id = newId()
    const outcome = new Promise<RegistryOutcome>((resolve, reject) => {
      const timer = this.#clock.setTimer(alarmPatienceMs, () => this.#waitOn(id))
      this.#waiting.set(id, { resolve, reject, timer })
    })
    outcome.catch(() => undefined)
    this.#publisher
      .put('', this.#queue, Buffer.from(JSON.stringify(record)), { messageId: id, persistent: true })
      .catch((error: Error) => this.#reject(id, error))
    return outcome
  }

  /** Resolves when everything that anybody appended before this call was applied here. */
  sync(): Promise<void> {
    this.#marking ??= Promise.resolve()
      .then(() => {
        this.#marking = undefined
        return this.append({ op: 'mark' })
      })
      .then(() => undefined)
    return this.#marking
  }

  down(): void {
    this.#channel = undefined
  }

  async up(): Promise<void> {
    await this.#read()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#link.leave(this)
    for (const { reject, timer } of this.#waiting.values()) {
      timer.cancel()
      reject(closedError())
    }
    this.#waiting.clear()
    await this.#channel?.close().catch(() => undefined)
  }

  /** False: the server has just begun, takes connections, and its stream is not there yet. */
  async #begin(endMs: number): Promise<boolean> {
    try {
      await this.#declare()
      await this.#read()
      return true
    } catch (error) {
      if (isHomeDown(error) && this.#clock.monotonicMs() < endMs) return false
      throw operationError(error, `declare and read the registry "${this.#queue}"`)
    }
  }

  async #read(): Promise<void> {
    let isReading = false
    const channel = await this.#link.channel(() => {
      if (isReading && this.#channel === channel) this.#readAgain()
    })
    const before = this.#channel
    this.#channel = channel
    void before?.close().catch(() => undefined)
    try {
      await channel.prefetch(1_000)
      await channel.consume(
        this.#queue,
        (message) => {
          if (this.#channel !== channel) return
          if (message === null) {
            // The stream's node went away: it is to be found elsewhere, or later.
            this.#readAgain()
            void channel.close().catch(() => undefined)
            return
          }
          channel.ack(message)
          this.#take(message)
        },
        { arguments: { 'x-stream-offset': this.#offset < 0 ? 'first' : this.#offset + 1 } },
      )
    } catch (error) {
      if (this.#channel === channel) this.#channel = undefined
      throw error
    }
    isReading = true
  }

  /** Who does not read hears nothing, and none of its own records comes back: it tries until it can. */
  #readAgain(): void {
    this.#channel = undefined
    if (this.#closed || !this.#link.isUp) return
    this.#read().catch(() => {
      this.#clock.setTimer(readAgainMs, () => {
        // A new connection may have been quicker.
        if (this.#channel === undefined) this.#readAgain()
      })
    })
  }

  #take({ content, properties }: ConsumeMessage): void {
    const offset = Number(properties.headers?.['x-stream-offset'] ?? 0)
    // A stream hands out whole chunks: its beginning may lie before what was asked for.
    if (offset <= this.#offset) return
    const record: RegistryRecord = JSON.parse(content.toString())
    if (this.#offset < 0 && offset > 0) this.#early = []
    this.#offset = offset
    if (this.#early === undefined) this.#apply(String(properties.messageId), offset, record)
    else if (record.op !== 'snapshot') this.#early.push({ offset, record })
    else {
      this.state.restore(record.state)
      const early = this.#early
      this.#early = undefined
      for (const each of early) if (each.offset > record.upTo) this.state.apply(each.record)
      this.changes.tell()
    }
  }

  #apply(id: string, offset: number, record: RegistryRecord): void {
    const outcome = this.state.apply(record)
    const waiting = this.#waiting.get(id)
    if (waiting !== undefined) {
      this.#waiting.delete(id)
      waiting.timer.cancel()
      waiting.resolve(outcome)
      // Whose record has a round number writes the snapshot: one member, and another one if it dies over it.
      if (offset % snapshotEvery === snapshotEvery - 1) void this.append({ op: 'snapshot', upTo: offset, state: this.state.snapshot() }).catch(() => undefined)
    }
    if (record.op !== 'mark' && record.op !== 'snapshot') this.changes.tell()
  }

  #waitOn(id: string): void {
    const waiting = this.#waiting.get(id)
    const alarm = this.#alarm()
    if (alarm !== undefined) this.#reject(id, alarmError(alarm))
    else if (waiting !== undefined)
      waiting.timer = this.#clock.setTimer(patienceMs - alarmPatienceMs, () =>
        this.#reject(id, brokenError(new Error('a record of the registry did not come back'))),
      )
  }

  #reject(id: string, error: Error): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    waiting?.timer.cancel()
    waiting?.reject(error)
  }
}
