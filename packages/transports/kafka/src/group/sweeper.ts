/**
 * Groups and reply channels of instances that died: nobody else takes them away. Whoever is there looks now and then; a
 * group is gone when it was found without a member twice in a row.
 */
import type { Timer } from '@sluice/core/transport'
import { membersOf } from '../administration/figures.ts'
import type { KafkaBus } from '../kafka-bus.ts'

/** Reply channels say that they are alive so often, and are gone when they did not for three times as long, ms. */
export const aliveEveryMs: number = 3_600_000

/** See the header of this file. */
export class Sweeper {
  readonly #bus: KafkaBus
  /** Found without a member at the last look. */
  #empty: ReadonlySet<string> = new Set()
  #timer: Timer | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(bus: KafkaBus) {
    this.#bus = bus
  }

  start(): void {
    this.#timer = this.#bus.context.clock.setTimer(this.#bus.options.sessionMs * 2, () => {
      // What cannot be asked now can be next time.
      this.#running = this.#sweep()
        .catch(() => undefined)
        .finally(() => {
          if (this.#timer !== undefined) this.start()
        })
    })
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    await this.#running
  }

  async #sweep(): Promise<void> {
    const { registry, context } = this.#bus
    const groups = registry.state.groups().filter(({ ephemeral }) => ephemeral)
    const empty = new Set<string>()
    for (const group of groups) {
      const name = `${group.channel}\n${group.group}`
      if ((await membersOf(this.#bus, group)) > 0) continue
      if (this.#empty.has(name)) await this.#bus.topology.removeGroup(group.channel, group.group)
      else empty.add(name)
    }
    this.#empty = empty
    const since = context.clock.nowMs() - 3 * aliveEveryMs
    for (const { name, kind, aliveMs = 0 } of registry.state.channels.values())
      if (kind === 'reply' && aliveMs < since) await this.#bus.topology.removeReplies(name)
  }
}
