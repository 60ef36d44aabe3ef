/**
 * What a schedule fires is sent though its sender dies over it: the record that moves the schedule on also holds the message, and
 * the number under which it is stored. Whoever finds one that nobody sent stores it under that number, which counts once.
 */
import { keepMessage, newId, type OutgoingMessage, restoreMessage, type Timer } from '@sluice/core/transport'
import { toSluice } from '../errors.ts'
import { type KafkaBus, report } from '../kafka-bus.ts'
import type { FiringEntry } from '../registry/state.ts'
import { newProducer, placeOf, storeNumbered } from '../send/numbered.ts'

/** What was fired and is not sent after so long is sent by whoever looks then, ms. */
const lateMs = 3_000

/** See the header of this file. */
export class Firings {
  readonly #bus: KafkaBus
  readonly #sending: Set<string> = new Set()
  #timer: Timer | undefined
  #closed = false

  constructor(bus: KafkaBus) {
    this.#bus = bus
    bus.registry.changes.listen(this.#arm)
    this.#arm()
  }

  /** Moves a schedule on and sends its message; false if somebody else did. */
  async fire(name: string, expectedAtMs: number, message: OutgoingMessage, nextAtMs: number): Promise<boolean> {
    const { id, epoch } = await newProducer(this.#bus)
    const firing: FiringEntry = { id: newId(), message: keepMessage(message), producer: { id: String(id), epoch } }
    this.#sending.add(firing.id)
    try {
      if ((await this.#bus.registry.append({ op: 'fire', name, expectedAtMs, nextAtMs, firing })) === 'refused') return false
      await this.#send(firing)
      return true
    } finally {
      this.#sending.delete(firing.id)
    }
  }

  close(): void {
    this.#closed = true
    this.#bus.registry.changes.unlisten(this.#arm)
    this.#timer?.cancel()
  }

  async #send({ id, message: kept, producer }: FiringEntry): Promise<void> {
    const { registry } = this.#bus
    const { channel, ...message } = restoreMessage(kept)
    const { partitions = 1 } = registry.state.channels.get(channel) ?? {}
    const numbers = { producer: { id: BigInt(producer.id), epoch: producer.epoch }, sequence: 0 }
    await storeNumbered(this.#bus, { channel, partition: placeOf(message, partitions) }, [message], numbers, () => this.#closed)
    await registry.append({ op: 'fired', id })
  }

  readonly #arm = (): void => {
    if (this.#closed || this.#timer !== undefined || this.#bus.registry.state.schedules.firings.size === 0) return
    const found = [...this.#bus.registry.state.schedules.firings.keys()]
    this.#timer = this.#bus.context.clock.setTimer(lateMs, () => {
      void this.#look(found).finally(() => {
        this.#timer = undefined
        this.#arm()
      })
    })
  }

  /** Sends what was there a while ago and still is. */
  async #look(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      const firing = this.#bus.registry.state.schedules.firings.get(id)
      if (firing === undefined || this.#sending.has(id) || this.#closed) continue
      this.#sending.add(id)
      try {
        await this.#send(firing)
      } catch (error) {
        // Tried again at the next look.
        if (!this.#closed) report(this.#bus, 'warn', 'what a schedule fired cannot be sent; trying again', toSluice(error, 'sending'))
      } finally {
        this.#sending.delete(id)
      }
    }
  }
}
