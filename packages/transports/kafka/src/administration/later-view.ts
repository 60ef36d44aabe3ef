/** Delayed messages as an administrator sees them: how many wait, and taking one away. */
import { newId } from '@sluice/core/transport'
import type { KafkaBus } from '../kafka-bus.ts'
import { laterPartitionOf, laterPartitions } from '../later/bounds.ts'
import { type LaterNote, LaterState } from '../later/later-state.ts'
import { readNote } from '../note-record.ts'
import { LogView } from './log-view.ts'

/** How long what is on its way is waited for, so that it is counted where it arrives, ms. */
const settleMs = 1_000
const lookMs = 10

/** See the header of this file. */
export class LaterView {
  readonly #bus: KafkaBus
  readonly #view: LogView<LaterState>

  constructor(bus: KafkaBus) {
    this.#bus = bus
    this.#view = new LogView(bus, {
      topic: bus.names.later,
      partitions: laterPartitions,
      isMade: () => bus.registry.state.hasLater,
      isGone: () => false,
      fresh: (start) => new LaterState(start),
      apply: (state, record) => {
        const note = readNote<LaterNote>(record)
        if (note === undefined) return {}
        const count = state.apply(note, undefined, record.offset)
        return note.kind === 'cancel' ? { writeId: note.writeId, count } : {}
      },
    })
  }

  /** How many of each channel wait. What is on its way is not counted, unless it stays there: then nobody moves it on. */
  async waiting(): Promise<(channel: string) => number> {
    const { cluster, registry } = this.#bus
    if (!registry.state.hasLater) return () => 0
    const untilMs = cluster.clock.monotonicMs() + settleMs
    for (;;) {
      await this.#view.read()
      const isMoving = this.#view.states.some((state) => [...state.channels()].some((channel) => state.claims(channel) > 0))
      if (!isMoving || cluster.clock.monotonicMs() >= untilMs) break
      await cluster.pause(lookMs)
    }
    return (channel) => {
      const state = this.#view.states[laterPartitionOf(channel)]
      return state === undefined ? 0 : state.waiting(channel) + state.claimed(channel)
    }
  }

  /** Takes a waiting message away; false if it does not wait (any more). */
  async cancel(channel: string, messageId: string): Promise<boolean> {
    if (!this.#bus.registry.state.hasLater) return false
    const note = { kind: 'cancel', channel, messageId, writeId: newId() } satisfies LaterNote
    return (await this.#view.write(new Map([[laterPartitionOf(channel), note]]))) > 0
  }
}
