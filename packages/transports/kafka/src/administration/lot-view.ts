/** The lots of a group as an administrator reads them: kept from look to look, so that only what is new is read. */
import { newId } from '@sluice/core/transport'
import { codes, KafkaError } from '../errors.ts'
import type { KafkaBus } from '../kafka-bus.ts'
import { lotRecord, readLotRecord } from '../lot/lot-record.ts'
import { type LotNote, LotState } from '../lot/lot-state.ts'
import { writeBatch } from '../protocol/records.ts'
import { produce } from '../protocol/requests/records.ts'
import { earliest, latest } from '../protocol/requests/topics.ts'
import { nobody } from '../registry/registry.ts'
import { offsetsAt, readStretches } from './reading.ts'

/** How often a lot that is tidied while it is read is begun anew. */
const triesMax = 10

/** See the header of this file. */
export class LotView {
  readonly states: LotState[]
  readonly #bus: KafkaBus
  readonly #topic: string
  readonly #isGone: () => boolean
  readonly #isMade: () => boolean
  readonly #positions: number[]
  /** By the id of a write: how many dead letters it moved. */
  readonly #counts: Map<string, number> = new Map()
  #reading: Promise<void> = Promise.resolve()

  /** `isGone`: the group was removed, and its topic with it; `isMade`: there is a topic. */
  constructor(bus: KafkaBus, topic: string, partitions: number, isGone: () => boolean, isMade: () => boolean) {
    this.#isGone = isGone
    this.#isMade = isMade
    this.#bus = bus
    this.#topic = topic
    this.states = Array.from({ length: partitions }, () => new LotState())
    this.#positions = this.states.map(() => 0)
  }

  /** Resolves when everything that is there now was read. */
  read(): Promise<void> {
    this.#reading = this.#reading.catch(() => undefined).then(() => this.#read())
    return this.#reading
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
  async change(kind: 'redrive' | 'discard', ids: ReadonlyMap<number, readonly string[]>): Promise<number> {
    const { cluster, context } = this.#bus
    const writes: string[] = []
    const batches = [...ids].map(([partition, list]) => {
      const writeId = newId()
      writes.push(writeId)
      const note: LotNote = { kind, ids: list, writeId }
      return { partition, batch: writeBatch([lotRecord(note, undefined)], context.clock.nowMs(), nobody, 'none') }
    })
    if (batches.length === 0) return 0
    await cluster.persist(15_000, () =>
      cluster.atLeaders(new Map([[this.#topic, batches]]), produce, (part) => ({ transactionalId: null, timeoutMs: 15_000, batches: part })),
    )
    await this.read()
    return writes.reduce((sum, writeId) => sum + (this.#counts.get(writeId) ?? 0), 0)
  }

  /** Its owner may tidy it between our look at its beginning and our reading; then from where it begins now. */
  async #read(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#readOnce()
        return
      } catch (error) {
        if (!(error instanceof KafkaError && error.code === codes.offsetOutOfRange) || tries === triesMax) throw error
        await this.#bus.cluster.pause(100)
      }
    }
  }

  async #readOnce(): Promise<void> {
    if (!this.#isMade()) return
    const [starts, ends] = await Promise.all([
      offsetsAt(this.#bus, this.#topic, this.states.length, earliest, this.#isGone),
      offsetsAt(this.#bus, this.#topic, this.states.length, latest, this.#isGone),
    ])
    const stretches = this.states.map((_, partition) => {
      const start = starts[partition] ?? 0
      const position = this.#positions[partition] ?? 0
      // What we did not read was tidied away; what stands in its place says everything. Beyond the end: it is another topic.
      if (position < start || position > (ends[partition] ?? 0)) {
        this.states[partition] = new LotState()
        this.#positions[partition] = start
      }
      return { partition, from: this.#positions[partition] ?? 0, to: ends[partition] ?? 0 }
    })
    await readStretches(
      this.#bus,
      this.#topic,
      stretches,
      (partition, records, nextOffset) => {
        for (const record of records) {
          const read = readLotRecord(record, this.#topic)
          if (read === undefined) continue
          const { writeId, count } = (this.states[partition] as LotState).apply(read.note, read.message)
          if (writeId !== undefined) this.#counts.set(writeId, count ?? 0)
        }
        this.#positions[partition] = nextOffset
        return true
      },
      this.#isGone,
    )
  }
}
