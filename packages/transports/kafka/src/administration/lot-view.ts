/** The lots of a group as an administrator reads them. */
import { newId } from '@sluice/core/transport'
import type { KafkaBus } from '../kafka-bus.ts'
import { readLotRecord } from '../lot/lot-record.ts'
import { type LotNote, LotState } from '../lot/lot-state.ts'
import { LogView } from './log-view.ts'

/** See the header of this file. */
export class LotView {
  readonly #view: LogView<LotState>

  /** `isGone`: the group was removed, and its topic with it; `isMade`: there is a topic. */
  constructor(bus: KafkaBus, topic: string, partitions: number, isGone: () => boolean, isMade: () => boolean) {
    this.#view = new LogView(bus, {
      ...{ topic, partitions, isGone, isMade },
      fresh: () => new LotState(),
      apply: (state, record) => {
        const read = readLotRecord(record, topic)
        return read === undefined ? {} : state.apply(read.note, read.message)
      },
    })
  }

  get states(): readonly LotState[] {
    return this.#view.states
  }

  /** Resolves when everything that is there now was read. */
  read(): Promise<void> {
    return this.#view.read()
  }

  /** The states with what is still to be done to them; `notes` by partition. */
  with(notes: readonly (readonly LotNote[])[]): readonly LotState[] {
    return this.states.map((state, partition) => {
      const pending = notes[partition] ?? []
      if (pending.length === 0) return state
      const copy = new LotState()
      for (const [note, message] of state.rewritten(() => false)) copy.apply(note, message)
      for (const note of pending) copy.apply(note, undefined)
      return copy
    })
  }

  /** Redrives or discards dead letters; resolves to how many. */
  change(kind: 'redrive' | 'discard', ids: ReadonlyMap<number, readonly string[]>): Promise<number> {
    const notes = [...ids].map(([partition, list]) => [partition, { kind, ids: list, writeId: newId() } satisfies LotNote] as const)
    return this.#view.write(new Map(notes))
  }
}
