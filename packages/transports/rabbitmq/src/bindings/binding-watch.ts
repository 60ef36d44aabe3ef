/**
 * Sees that a group stays bound. AMQP cannot say what is bound; to bind again what is bound changes nothing. So the first
 * member of each group does so now and then. What came to a channel meanwhile and found no queue was confirmed, and is among
 * the unrouted: it is given to the groups that were there when it was stored, and a person hears of it.
 */
import { partitionIndex, partitionName, type Timer, type TransportReport } from '@sluice/core/transport'
import { copy, type DrainHome, drain } from '../consume/drain.ts'
import { prefetchMax } from '../consume/prefetch.ts'
import { messageCount } from '../link/link.ts'
import { type Names, placementOf } from '../names.ts'
import type { Registry } from '../registry/registry.ts'
import type { GroupEntry } from '../registry/state.ts'
import type { TopologyKeeper } from '../topology.ts'
import { fromWire } from '../wire.ts'

/** How often a group is looked at, ms. */
const lookMs = 5_000

/** What the watch needs. */
export interface WatchHome extends DrainHome {
  readonly registry: Registry
  readonly names: Names
  readonly topology: TopologyKeeper
  report(event: TransportReport): void
}

/** See the header of this file. One for each member of a group. */
export class BindingWatch {
  readonly #home: WatchHome
  readonly #channel: string
  readonly #group: string
  readonly #memberId: string
  #timer: Timer | undefined
  #looking: Promise<void> | undefined
  /** Unrouted messages that are nobody's: they came before the first group. */
  #nobodys = 0
  #closed = false

  constructor(home: WatchHome, { channel, group }: { readonly channel: string; readonly group: string }, memberId: string) {
    this.#home = home
    this.#channel = channel
    this.#group = group
    this.#memberId = memberId
    this.#arm()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#looking
  }

  #arm(): void {
    if (this.#closed) return
    this.#timer = this.#home.clock.setTimer(lookMs, () => {
      this.#looking = this.#look()
        // No connection, or a queue that is being made again: the next look is soon.
        .catch(() => undefined)
        .finally(() => this.#arm())
    })
  }

  async #look(): Promise<void> {
    const { registry, topology, link, names } = this.#home
    const entry = registry.state.group(this.#channel, this.#group)
    if (!link.isUp || entry === undefined || entry.members[0]?.id !== this.#memberId) return
    const groups = registry.state.groups(this.#channel)
    // Who grows is binding, and binds what is to be.
    if (groups.some(({ growth }) => growth !== undefined)) return
    await topology.bind(entry)
    const first = groups.find(({ members }) => members.length > 0)
    if (first !== entry) return
    const count = (await messageCount(link, names.unrouted(this.#channel))) ?? 0
    if (count > this.#nobodys) await this.#deliver(groups)
    else this.#nobodys = count
  }

  async #deliver(groups: readonly GroupEntry[]): Promise<void> {
    const { clock, names, publisher } = this.#home
    let [delivered, nobodys] = [0, 0]
    await drain(this.#home, names.unrouted(this.#channel), prefetchMax, async (message) => {
      const { envelope, storedAtMs } = fromWire(message, clock.nowMs())
      const missed = groups.filter(({ sinceMs = 0, ephemeral }) => sinceMs < storedAtMs && !ephemeral)
      if (missed.length === 0) {
        nobodys++
        return false
      }
      await Promise.all(
        missed.map(({ group, order, partitions }) => {
          const index = partitions === 1 ? 0 : partitionIndex(placementOf(envelope, order), partitions)
          return copy(publisher, names.partition(this.#channel, group, partitionName(index, partitions)), message)
        }),
      )
      delivered++
      return true
    })
    this.#nobodys = nobodys
    if (delivered === 0) return
    this.#home.report({
      level: 'error',
      message: `${delivered} messages of channel "${this.#channel}" found no queue although it has groups, and were given to them now: queues were not bound, or a program wrote another routing key`,
    })
  }
}
