/** A topic of notes as an administrator reads it: kept from look to look, so that only what is new is read. */
import { codes, KafkaError } from '../errors.ts'
import type { KafkaBus } from '../kafka-bus.ts'
import { noteRecord } from '../note-record.ts'
import { type KafkaRecord, writeBatch } from '../protocol/records.ts'
import { produce } from '../protocol/requests/records.ts'
import { earliest, latest } from '../protocol/requests/topics.ts'
import { nobody } from '../registry/registry.ts'
import { offsetsAt, readStretches } from './reading.ts'

/** How often a topic that is tidied while it is read is begun anew. */
const triesMax = 10
const patienceMs = 15_000

/** What a view needs to know of its topic. */
export interface ViewedLog<S> {
  readonly topic: string
  readonly partitions: number
  /** The state of a partition of which nothing was read yet; `start`: offset of what is read first. */
  fresh(start: number): S
  /** What was asked for by a note came to this. */
  apply(state: S, record: KafkaRecord): { readonly writeId?: string; readonly count?: number }
  /** There is a topic. */
  isMade(): boolean
  /** It is being taken away: nothing of it is waited for. */
  isGone(): boolean
}

/** See the header of this file. */
export class LogView<S> {
  readonly states: S[]
  readonly #bus: KafkaBus
  readonly #log: ViewedLog<S>
  readonly #positions: number[]
  /** By the id of a write: what it came to, all told. */
  readonly #counts: Map<string, number> = new Map()
  #reading: Promise<void> = Promise.resolve()

  constructor(bus: KafkaBus, log: ViewedLog<S>) {
    this.#bus = bus
    this.#log = log
    this.states = Array.from({ length: log.partitions }, () => log.fresh(0))
    this.#positions = this.states.map(() => 0)
  }

  /** Resolves when everything that is there now was read. */
  read(): Promise<void> {
    this.#reading = this.#reading.catch(() => undefined).then(() => this.#read())
    return this.#reading
  }

  /** Writes a note into each of these partitions, and reads on; resolves to what they came to. */
  async write(notes: ReadonlyMap<number, { readonly writeId: string }>): Promise<number> {
    if (notes.size === 0) return 0
    const { cluster, context } = this.#bus
    const batches = [...notes].map(([partition, note]) => ({ partition, batch: writeBatch([noteRecord(note)], context.clock.nowMs(), nobody, 'none') }))
    await cluster.persist(patienceMs, () =>
      cluster.atLeaders(new Map([[this.#log.topic, batches]]), produce, (part) => ({ transactionalId: null, timeoutMs: patienceMs, batches: part })),
    )
    await this.read()
    return [...notes.values()].reduce((sum, { writeId }) => sum + (this.#counts.get(writeId) ?? 0), 0)
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
    const { topic, isGone, isMade } = this.#log
    if (!isMade()) return
    const [starts, ends] = await Promise.all([
      offsetsAt(this.#bus, topic, this.states.length, earliest, isGone),
      offsetsAt(this.#bus, topic, this.states.length, latest, isGone),
    ])
    const stretches = this.states.map((_, partition) => {
      const start = starts[partition] ?? 0
      const position = this.#positions[partition] ?? 0
      // What we did not read was tidied away; what stands in its place says everything. Beyond the end: it is another topic.
      if (position < start || position > (ends[partition] ?? 0)) {
        this.states[partition] = this.#log.fresh(start)
        this.#positions[partition] = start
      }
      return { partition, from: this.#positions[partition] ?? 0, to: ends[partition] ?? 0 }
    })
    await readStretches(
      this.#bus,
      topic,
      stretches,
      (partition, records, nextOffset) => {
        for (const record of records) {
          const { writeId, count = 0 } = this.#log.apply(this.states[partition] as S, record)
          // Written twice where its fate was not known: only one of them came to something.
          if (writeId !== undefined) this.#counts.set(writeId, (this.#counts.get(writeId) ?? 0) + count)
        }
        this.#positions[partition] = nextOffset
        return true
      },
      { isVain: isGone, mustHaveAll: true },
    )
  }
}
