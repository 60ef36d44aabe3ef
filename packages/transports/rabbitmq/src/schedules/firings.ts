/**
 * What a schedule fires is sent though its sender dies over it: the record that moves the schedule on also holds the message,
 * until it is confirmed. Whoever finds one of a dead instance takes it over. The same id twice is possible, a loss is not.
 */
import { type Clock, keepMessage, newId, type OutgoingMessage, restoreMessage, type Timer } from '@sluice/core/transport'
import type { Instance } from '../member/instance.ts'
import type { Registry } from '../registry/registry.ts'

/** How often what was fired and not confirmed is looked at, ms. */
const lookMs = 1_000

/** What firing needs. */
export interface FiringsHome {
  readonly clock: Clock
  readonly registry: Registry
  readonly instance: Instance
  /** Resolves when it is stored. */
  send(message: OutgoingMessage): Promise<void>
}

/** See the header of this file. */
export class Firings {
  readonly #home: FiringsHome
  readonly #sending: Set<string> = new Set()
  #timer: Timer | undefined
  #closed = false

  constructor(home: FiringsHome) {
    this.#home = home
  }

  open(): void {
    this.#home.registry.changes.listen(this.#arm)
    this.#arm()
  }

  /** Moves a schedule on and sends its message; false if somebody else did. */
  async fire(name: string, expectedAtMs: number, message: OutgoingMessage, nextAtMs: number): Promise<boolean> {
    const { registry, instance } = this.#home
    const id = newId()
    this.#sending.add(id)
    try {
      const firing = { id, instance: instance.id, message: keepMessage(message) }
      if ((await registry.append({ op: 'fire', name, expectedAtMs, nextAtMs, firing })) === 'refused') return false
      await this.#send(id, message)
      return true
    } finally {
      this.#sending.delete(id)
    }
  }

  close(): void {
    this.#closed = true
    this.#home.registry.changes.unlisten(this.#arm)
    this.#timer?.cancel()
  }

  async #send(id: string, message: OutgoingMessage): Promise<void> {
    await this.#home.send(message)
    await this.#home.registry.append({ op: 'fired', id })
  }

  readonly #arm = (): void => {
    if (this.#closed || this.#timer !== undefined || this.#home.registry.state.schedules.firings.size === 0) return
    this.#timer = this.#home.clock.setTimer(lookMs, () => {
      void this.#look().finally(() => {
        this.#timer = undefined
        this.#arm()
      })
    })
  }

  async #look(): Promise<void> {
    const { registry, instance } = this.#home
    for (const { id, instance: sender, message } of [...registry.state.schedules.firings.values()]) {
      if (this.#sending.has(id)) continue
      this.#sending.add(id)
      try {
        if (sender !== instance.id) {
          if ((await instance.ask(sender, { ask: 'alive' }, lookMs)) !== 'dead') continue
          if ((await registry.append({ op: 'claim', id, from: sender, to: instance.id })) === 'refused') continue
        }
        await this.#send(id, restoreMessage(message))
      } catch {
        // Tried again at the next look.
      } finally {
        this.#sending.delete(id)
      }
    }
  }
}
