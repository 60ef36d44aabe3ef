/** What administrators decide of a group (replay, purge): the owner of each partition carries it out once. */
import type { ConsumerObserver } from '@sluice/core/transport'
import type { GroupEntry } from '../registry/state.ts'
import type { Holdings } from './holdings.ts'
import type { LotKeeper } from './lot-keeper.ts'
import type { OwnedPartition } from './partition.ts'
import type { LotWrite, Settlement } from './settlement.ts'

/** What carrying it out needs. */
export interface ChangesHome {
  readonly observer: ConsumerObserver
  readonly settlement: Settlement
  readonly lot: LotKeeper
  readonly holdings: Holdings
  entry(): GroupEntry | undefined
}

/** See the header of this file. */
export class GroupChanges {
  readonly #home: ChangesHome
  #changing: Promise<void> = Promise.resolve()

  constructor(home: ChangesHome) {
    this.#home = home
  }

  /** Carries out what was decided for the group and is not in this partition's progress yet. */
  catchUp(partition: OwnedPartition): void {
    const changes = this.#home.entry()?.changes ?? []
    if (partition.state !== 'owned' || !changes.some(({ number }) => number > partition.progress.change)) return
    partition.state = 'paused'
    this.#home.observer.lost(partition.name)
    this.#changing = this.#changing.then(() => this.#change(partition)).catch(() => undefined)
  }

  async #change(partition: OwnedPartition): Promise<void> {
    // What was accepted before is written before.
    await this.#home.settlement.now()
    if (partition.state !== 'paused') return
    partition.restart()
    this.#home.holdings.recount()
    const { progress } = partition
    const notes: LotWrite[] = []
    for (const { number, change } of this.#home.entry()?.changes ?? []) {
      if (number <= progress.change) continue
      progress.change = number
      if (change.kind === 'again') {
        const [from, to] = change.ranges[partition.index] ?? [0, 0]
        progress.undo(from, to)
        if (to > from) notes.push({ note: { kind: 'forget', from, to } })
      } else {
        progress.done(progress.watermark, change.before[partition.index] ?? 0)
        notes.push({ note: { kind: 'clear', all: false } })
      }
    }
    partition.suspectBefore = 0
    partition.claimed = 0
    partition.dirty = true
    partition.offset = progress.watermark
    if (notes.length > 0) await this.#home.lot.write(partition, notes)
    else await this.#home.settlement.now()
    if (partition.state !== 'paused') return
    partition.state = 'owned'
    this.#home.observer.assigned(partition.name, partition.lanes())
    this.#home.holdings.wake()
    this.catchUp(partition)
  }
}
