/** A member's part in a change of its group's partitions: the first member leads, each moves what would be its own. */
import type { Timer, TransportReport } from '@sluice/core/transport'
import type { GroupEntry, MemberEntry } from '../registry/state.ts'
import { divert } from './diversion.ts'
import { haltPartition, type MoverHome, movePartition, sweepRetired } from './mover.ts'

/** How often old queues are looked at after a change of the partitions, ms. */
const sweepEveryMs = 2_000

/** After each step its member looks at what is next, ms. */
const nextMs = 20

/** See the header of this file. */
export class Growth {
  readonly #home: MoverHome
  readonly #memberId: string
  /** The member looks at its group anew. */
  readonly #look: () => void
  readonly #report: (event: TransportReport) => void
  #leading: Promise<void> | undefined
  #sweeping = false
  #sweepTimer: Timer | undefined
  readonly #moving: Set<string> = new Set()
  #closed = false

  constructor(home: MoverHome, memberId: string, look: () => void, report: (event: TransportReport) => void) {
    this.#home = home
    this.#memberId = memberId
    this.#look = look
    this.#report = report
  }

  /** The first member sees to it that a group has the partitions that its channel wants. */
  lead(entry: GroupEntry): void {
    const { channel, group, growth, members } = entry
    if (this.#leading !== undefined || members[0]?.id !== this.#memberId || entry.provisional || entry.ephemeral) return
    const { registry, clock } = this.#home
    const wanted = registry.state.channels.get(channel)?.partitions ?? 0
    const [retired] = entry.retired
    if (growth === undefined && retired !== undefined) this.#sweep(entry, retired)
    if (growth === undefined ? entry.order === 'channel' || wanted <= entry.partitions : growth.bound || growth.halted.length < entry.partitions) return
    const work = growth === undefined ? registry.append({ op: 'grow', channel, group, partitions: wanted }).then(() => undefined) : divert(this.#home, entry)
    this.#leading = work
      .catch((error: unknown) => this.#report({ level: 'warn', message: `group "${group}": its partitions could not be changed: ${String(error)}` }))
      .finally(() => {
        this.#leading = undefined
        if (!this.#closed) clock.setTimer(nextMs, this.#look)
      })
  }

  /**
   * When nobody consumes any more and messages are diverted, what is in the old queues is moved: those of `plan` that are this
   * member's; `holds`: it has not let go of them yet.
   */
  move(entry: GroupEntry, plan: ReadonlyMap<string, MemberEntry>, holds: (partition: string) => boolean): void {
    const isBound = entry.growth?.bound === true
    const done = isBound ? entry.growth?.moved : entry.growth?.halted
    for (const [name, owner] of plan) {
      if (owner.id !== this.#memberId || done?.includes(name) === true || this.#moving.has(name) || holds(name)) continue
      this.#moving.add(name)
      void (isBound ? movePartition(this.#home, entry, name) : haltPartition(this.#home, entry, name))
        .catch((error: unknown) => this.#report({ level: 'warn', message: `a partition could not be moved yet: ${String(error)}` }))
        .finally(() => {
          this.#moving.delete(name)
          if (!this.#closed) this.#home.clock.setTimer(nextMs, this.#look)
        })
    }
  }

  /**
   * Our successor as the first member would declare the same queues: to the second of two that declare a quorum queue at
   * once the server says yes before the queue lives, and refuses (NACK) what is published to it then.
   */
  async close(): Promise<void> {
    this.#closed = true
    this.#sweepTimer?.cancel()
    await this.#leading
  }

  /** What came late to the queues of before follows, from time to time, until they go. */
  #sweep(entry: GroupEntry, retired: GroupEntry['retired'][number]): void {
    if (this.#sweeping) return
    this.#sweeping = true
    void sweepRetired(this.#home, entry, retired)
      .catch(() => undefined)
      .finally(() => {
        if (this.#closed) return
        this.#sweepTimer = this.#home.clock.setTimer(sweepEveryMs, () => {
          this.#sweeping = false
          this.#look()
        })
      })
  }
}
