/**
 * Retention: what all groups of a channel have accepted is deleted once it is older, or more, than the channel keeps. What
 * a group still waits for never is, so it is not left to the brokers, who would not ask. Owners of partitions see to it.
 */
import type { Timer } from '@sluice/core/transport'
import { progressOf } from '../administration/progress-view.ts'
import { offsetsAt } from '../administration/reading.ts'
import type { KafkaBus } from '../kafka-bus.ts'
import { deleteRecords, earliest } from '../protocol/requests/topics.ts'

/** Of a channel that names neither age nor bytes. */
const keptMsDefault = 7 * 24 * 3_600_000
const timeoutMs = 15_000

/** A partition that is owned here, with the size of its messages as far as seen, bytes. */
export interface OwnedSize {
  readonly channel: string
  readonly index: number
  readonly bytesEach: number
}

/** See the header of this file. */
export class Trimmer {
  readonly #bus: KafkaBus
  readonly #owned: () => Iterable<OwnedSize>
  #timer: Timer | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(bus: KafkaBus, owned: () => Iterable<OwnedSize>) {
    this.#bus = bus
    this.#owned = owned
  }

  start(): void {
    this.#timer ??= this.#bus.context.clock.setTimer(this.#bus.options.sessionMs, () => {
      // What cannot be deleted now can be next time.
      this.#running = this.#trim()
        .catch(() => undefined)
        .finally(() => {
          if (this.#timer === undefined) return
          this.#timer = undefined
          this.start()
        })
    })
  }

  async stop(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    await this.#running
  }

  async #trim(): Promise<void> {
    const byChannel = Map.groupBy(this.#owned(), ({ channel }) => channel)
    for (const [channel, owned] of byChannel) await this.#trimChannel(channel, owned)
  }

  async #trimChannel(name: string, owned: readonly OwnedSize[]): Promise<void> {
    const { cluster, registry, names, context } = this.#bus
    const channel = registry.state.channels.get(name)
    if (channel === undefined || channel.retention?.keepForGroups === false || cluster.isClosed) return
    const { maxAgeMs = channel.retention?.maxBytes === undefined ? keptMsDefault : undefined, maxBytes } = channel.retention ?? {}
    const topic = names.channel(name)
    const starts = await offsetsAt(this.#bus, topic, channel.partitions, earliest)
    const groups = await Promise.all(registry.state.groups(name).map((group) => progressOf(this.#bus, group, channel.partitions)))
    if (groups.length === 0) return
    const byAge = maxAgeMs === undefined ? [] : await offsetsAt(this.#bus, topic, channel.partitions, context.clock.nowMs() - maxAgeMs)
    const before: { readonly partition: number; readonly offset: number }[] = []
    for (const { index, bytesEach } of owned) {
      const done = Math.min(...groups.map((views) => views[index]?.progress.watermark ?? 0))
      // −1: nothing is as late as that, so all of it is older.
      const age = byAge[index] === -1 ? done : (byAge[index] ?? 0)
      const bytes = maxBytes === undefined || bytesEach === 0 ? 0 : done - Math.floor(maxBytes / channel.partitions / bytesEach)
      const offset = Math.min(done, Math.max(age, bytes))
      if (offset > (starts[index] ?? 0)) before.push({ partition: index, offset })
    }
    if (before.length > 0) await cluster.atLeaders(new Map([[topic, before]]), deleteRecords, (part) => ({ before: part, timeoutMs }))
  }
}
