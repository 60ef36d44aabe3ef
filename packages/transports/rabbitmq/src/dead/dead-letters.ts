/**
 * The dead letters of a group: a queue of its own. Whoever wants to see or change them becomes its single active consumer,
 * reads all of it (or as much as one consumer may hold, the oldest first), and closes its channel: what it did not settle is back in its place. So these operations exclude each
 * other, over all processes, by the broker's own lock.
 */
import { type Clock, type DeadLetter, type DeadLetterReason, type DeadLetterRecord, newId } from '@sluice/core/transport'
import type { ConsumeMessage } from 'amqplib'
import { AckWindow } from '../consume/ack-window.ts'
import type { RabbitDelivery } from '../consume/delivery.ts'
import { prefetchMax } from '../consume/prefetch.ts'
import { hold } from '../link/held-queue.ts'
import type { Link } from '../link/link.ts'
import type { Names } from '../names.ts'
import type { Publisher } from '../send/publisher.ts'
import type { TopologyKeeper } from '../topology.ts'
import { fromWire, toWire } from '../wire.ts'

/** What is written beside a dead message. */
interface LetterHead {
  readonly id: string
  readonly lane: string
  readonly reason: DeadLetterReason
  readonly redrives: number
  /** Its place among the redriven of its lane: the id of its first dead letter. */
  readonly order: string
}

/** A dead letter in hand. */
export interface HeldLetter {
  readonly letter: DeadLetter
  readonly lane: string
  readonly order: string
  readonly storedAtMs: number
  readonly sizeBytes: number
  readonly tag: number
}

/** See the header of this file. */
export class DeadLetters {
  readonly #link: Link
  readonly #publisher: Publisher
  readonly #clock: Clock
  readonly #names: Names
  readonly #topology: TopologyKeeper

  constructor(link: Link, publisher: Publisher, clock: Clock, names: Names, topology: TopologyKeeper) {
    this.#link = link
    this.#publisher = publisher
    this.#clock = clock
    this.#names = names
    this.#topology = topology
  }

  /** Stores dead letters, confirmed; resolves to their ids. */
  async put(channel: string, group: string, records: readonly DeadLetterRecord[]): Promise<readonly string[]> {
    await this.#topology.dead(channel, group)
    const queue = this.#names.dead(channel, group)
    return Promise.all(
      records.map(async ({ delivery, lane, reason }) => {
        const id = newId(this.#clock.nowMs())
        const { entry } = delivery as RabbitDelivery
        const head: LetterHead = { id, lane, reason, redrives: entry?.redrives ?? 0, order: entry?.order ?? id }
        const { content, properties } = toWire(delivery.envelope, delivery.sizeBytes, delivery.storedAtMs, { 'sluice-letter': JSON.stringify(head) })
        await this.#publisher.put('', queue, content, properties)
        return id
      }),
    )
  }

  /** Holds the dead letters, the oldest 65,535 at most, while `work` runs; it settles by tag what is to be gone, and hears whether there may be more. */
  async withAll<T>(
    channel: string,
    group: string,
    work: (letters: readonly HeldLetter[], settle: (tag: number) => void, areThereMore: boolean) => Promise<T>,
  ): Promise<T> {
    let closed = false
    const on = await this.#link.channel(() => {
      closed = true
    })
    const acks = new AckWindow(on, this.#names.dead(channel, group), this.#clock)
    const letters: HeldLetter[] = []
    let heldCount = 0
    let stop = (): void => {}
    const full = new Promise<void>((resolve) => {
      stop = resolve
    })
    try {
      await on.prefetch(prefetchMax)
      const { read } = await hold({
        channel: on,
        queue: this.#names.dead(channel, group),
        publisher: this.#publisher,
        clock: this.#clock,
        take: (message) => {
          const letter = this.#read(message)
          if (letter !== undefined) letters.push(letter)
          // What is behind them comes only when some of them are settled.
          if (++heldCount === prefetchMax) stop()
        },
        settle: (tag) => acks.ack(tag),
        cancelled: () => {
          closed = true
        },
        aborted: () => closed,
      })
      await Promise.race([read, full])
      const result = await work(letters, (tag) => acks.ack(tag), heldCount >= prefetchMax)
      await acks.flush()
      return result
    } finally {
      if (!closed) await on.close().catch(() => undefined)
    }
  }

  #read(message: ConsumeMessage): HeldLetter | undefined {
    const text: unknown = message.properties.headers?.['sluice-letter']
    if (typeof text !== 'string') return undefined
    const { id, lane, reason, redrives, order }: LetterHead = JSON.parse(text)
    const { envelope, storedAtMs, sizeBytes } = fromWire(message, this.#clock.nowMs())
    return { letter: { deadLetterId: id, envelope, reason, parkedBehind: 0, redrives }, lane, order, storedAtMs, sizeBytes, tag: message.fields.deliveryTag }
  }
}
