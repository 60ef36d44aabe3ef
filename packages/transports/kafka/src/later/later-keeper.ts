/**
 * Who moves delayed messages on: every process that uses the bus stands by in a group of its own, and the partitions of the
 * topic of delayed messages are shared out in it. Who dies is followed by another one, who reads its partitions from their beginning.
 */
import { mayRetry, toSluice } from '../errors.ts'
import { Membership } from '../group/membership.ts'
import type { Assignment } from '../group/plan.ts'
import { type KafkaBus, report } from '../kafka-bus.ts'
import { Fetcher } from '../link/fetcher.ts'
import { earliest, latest, listOffsets } from '../protocol/requests/topics.ts'
import { laterPartitions } from './bounds.ts'
import { KeptPartition } from './kept-partition.ts'

const patienceMs = 30_000
const againMs = 1_000
/** How long leaving may take, ms. */
const leaveMs = 5_000

/** See the header of this file. */
export class LaterKeeper {
  readonly #bus: KafkaBus
  /** Ours, and those that are read already. */
  readonly #owned: Set<number> = new Set()
  readonly #kept: Map<number, KeptPartition> = new Map()
  readonly #look = (): void => this.#begin()
  #fetcher: Fetcher | undefined
  #membership: Membership | undefined
  #isWanted = false
  #isClosed = false

  constructor(bus: KafkaBus) {
    this.#bus = bus
  }

  /** This process uses the bus: it stands by from now on. */
  touch(): void {
    if (this.#isWanted || this.#isClosed) return
    this.#isWanted = true
    this.#bus.registry.changes.listen(this.#look)
    this.#begin()
  }

  /** Leaves in order; when nobody answers, as if it had died. */
  async close(): Promise<void> {
    await Promise.race([this.#end(false), this.#bus.cluster.pause(leaveMs)])
  }

  /** Dies, as a killed process would. */
  crash(): void {
    void this.#end(true)
  }

  async #end(quietly: boolean): Promise<void> {
    this.#isClosed = true
    this.#bus.registry.changes.unlisten(this.#look)
    for (const index of [...this.#owned]) this.#drop(index)
    await this.#fetcher?.close()
    await this.#membership?.leave(quietly)
  }

  /** Joins, once anything was ever sent with a delay. */
  #begin(): void {
    const { registry, names } = this.#bus
    if (!registry.state.hasLater || this.#membership !== undefined || this.#isClosed) return
    this.#fetcher = new Fetcher(this.#bus, () => void this.#deleted())
    const membership = new Membership({
      bus: this.#bus,
      groupId: names.later,
      partitions: laterPartitions,
      types: [],
      wants: () => ({}),
      owned: () => [...this.#owned],
      assigned: (assignment) => this.#assigned(assignment),
      fenced: () => {
        for (const index of [...this.#owned]) this.#drop(index)
      },
    })
    this.#membership = membership
    void this.#start(membership)
  }

  async #start(membership: Membership): Promise<void> {
    while (!this.#isClosed && !this.#bus.cluster.isClosed) {
      try {
        await membership.start()
        return
      } catch (error) {
        if (this.#isClosed || this.#bus.cluster.isClosed) return
        report(this.#bus, mayRetry(error) ? 'warn' : 'error', 'delayed messages cannot be looked after here; trying again', toSluice(error, 'joining a group'))
        await this.#bus.cluster.pause(againMs)
      }
    }
  }

  #assigned({ own, giveUp }: Assignment): void {
    if (this.#isClosed) return
    for (const index of [...this.#owned]) if (!own.includes(index)) this.#drop(index)
    for (const index of own)
      if (!this.#owned.has(index)) {
        this.#owned.add(index)
        void this.#take(index)
      }
    // Nothing is to be drained: another one may go on in the middle of what was begun.
    if (giveUp.length > 0) this.#membership?.rejoin()
  }

  async #take(index: number): Promise<void> {
    const { cluster, names } = this.#bus
    const isVain = (): boolean => this.#isClosed || !this.#owned.has(index) || this.#kept.has(index)
    const at = async (timestampMs: number): Promise<number> => {
      const asked = new Map([[names.later, [{ partition: index, timestampMs }]]])
      return (await cluster.persist(patienceMs, () => cluster.atLeaders(asked, listOffsets, (part) => part), isVain)).get(names.later)?.[0]?.offset ?? 0
    }
    while (!isVain() && !cluster.isClosed) {
      try {
        const [start, end] = [await at(earliest), await at(latest)]
        if (isVain()) return
        const kept = new KeptPartition(this.#bus, index, { start, end }, () => {
          this.#forget(index)
          void this.#take(index)
        })
        this.#kept.set(index, kept)
        this.#fetcher?.add(kept)
        return
      } catch (error) {
        if (isVain() || cluster.isClosed) return
        report(this.#bus, mayRetry(error) ? 'warn' : 'error', 'delayed messages cannot be read; trying again', toSluice(error, 'reading delayed messages'))
        await cluster.pause(againMs)
      }
    }
  }

  /** Somebody deleted the topic: what waited is known here as far as it is ours, and written anew. */
  async #deleted(): Promise<void> {
    try {
      await this.#bus.topology.makeLater()
      for (const [index, kept] of [...this.#kept]) {
        await kept.rewrite()
        this.#forget(index)
        void this.#take(index)
      }
    } catch (error) {
      if (!this.#isClosed) report(this.#bus, 'error', 'the topic of delayed messages is gone and cannot be made anew', toSluice(error, 'making a topic anew'))
    }
  }

  #drop(index: number): void {
    this.#owned.delete(index)
    this.#forget(index)
  }

  #forget(index: number): void {
    const kept = this.#kept.get(index)
    if (kept === undefined) return
    this.#kept.delete(index)
    kept.drop()
    this.#fetcher?.remove(kept)
  }
}
