/** One write of a member, as JSON for the script `settle` (script/settle.ts says what each field is). */
import type { Word } from '../resp/command.ts'
import { later, type Position } from '../wire/position.ts'
import type { LogDelivery, LotDelivery } from './delivery.ts'
import type { OwnedPartition } from './partition.ts'
import { encodeRanges } from './progress.ts'

type PartitionRow = readonly [name: string, epoch: number, cursor: Position, done: string, newlyDone: number, claimed: Position, free: 0 | 1, wants: string]

/** A dead letter on its way. */
export interface DeadRow {
  readonly lane: string
  readonly hash: number
  readonly park: 0 | 1
  readonly json: string
  readonly body: number
}

/** Messages on their way to the lot. */
export interface MoveRow {
  readonly lane: string
  readonly hash: number
  readonly state: 'suspended' | 'parked'
  readonly due: number
  readonly entries: readonly (readonly [position: Position, json: string, body: number])[]
}

/** What of a partition was written, to be noted or taken back. */
interface Written {
  readonly partition: OwnedPartition
  readonly newlyDone: number
  readonly readFrom: Position
  readonly claimed: Position
  readonly finished: readonly Position[]
}

/** Deliveries of a live end of the log are claimed this far ahead, ms of the log's time, so that few of them wait for a write. */
const claimAheadMs = 100

export class Write {
  readonly n: number
  readonly rec: (readonly [Position, string])[] = []
  readonly lrec: (readonly [position: Position, json: string, partition: string])[] = []
  /** Lot positions that were read and are not in hand any more. */
  readonly back: Position[] = []
  readonly dead: DeadRow[] = []
  readonly moves: MoveRow[] = []
  readonly dues: (readonly [lane: string, dueMs: number])[] = []
  readonly need: Set<string> = new Set()
  leave = false
  ring = false
  /** Log deliveries that this write settles, and lot deliveries that it takes out. */
  readonly log: LogDelivery[] = []
  readonly out: LotDelivery[] = []
  readonly written: Written[] = []
  readonly #rows: PartitionRow[] = []
  readonly #bodies: Uint8Array[] = []

  constructor(n: number) {
    this.n = n
  }

  /** Adds a packed message; returns its index among the script's arguments. */
  body(packed: Uint8Array): number {
    this.#bodies.push(packed)
    return this.#bodies.length + 1
  }

  /** Adds a partition's progress as it stands now. */
  partition(partition: OwnedPartition, claimAhead: boolean, free?: { readonly wants: string }): void {
    const { cursor, ranges } = partition.progress()
    let claimed = later(partition.claimable, partition.claimed)
    if (claimAhead && free === undefined) claimed = ahead(claimed)
    // Who gives up has nothing in hand any more; who took over what may have begun says so by `suspectBefore`.
    if (free !== undefined) claimed = partition.readFrom
    const newlyDone = partition.doneDelta
    const finished = partition.finishedAttempts
    partition.doneDelta = 0
    partition.finishedAttempts = []
    partition.dirty = false
    this.written.push({ partition, newlyDone, readFrom: partition.readFrom, claimed, finished })
    this.#rows.push([partition.name, partition.epoch, cursor, encodeRanges(ranges), newlyDone, claimed, free === undefined ? 0 : 1, free?.wants ?? ''])
  }

  /** Nothing of it was done: it is to be written again. */
  takeBack(): void {
    for (const { partition, newlyDone, finished } of this.written) {
      partition.doneDelta += newlyDone
      partition.finishedAttempts.push(...finished)
      partition.dirty = true
    }
  }

  /** It is done for this partition. */
  note({ partition, readFrom, claimed, finished }: Written): void {
    partition.writtenReadFrom = readFrom
    if (claimed > partition.claimed) partition.claimed = claimed
    for (const position of finished) partition.attempts.delete(position)
    partition.compact()
  }

  /** The arguments of the script. */
  words(group: string, member: string, answered: number): Word[] {
    const plan = {
      g: group,
      m: member,
      n: this.n,
      a: answered,
      p: this.#rows,
      ...listed('need', [...this.need]),
      ...listed(
        'fin',
        this.written.flatMap(({ finished }) => finished),
      ),
      ...listed('rec', this.rec),
      ...listed('lrec', this.lrec),
      ...listed('back', this.back),
      ...listed(
        'out',
        this.out.map(({ lane, position, owner }) => [lane, position, owner.name]),
      ),
      ...listed('dead', this.dead),
      ...listed('moves', this.moves),
      ...listed('dues', this.dues),
      ...(this.leave ? { leave: true } : {}),
      ...(this.ring ? { ring: true } : {}),
    }
    return [JSON.stringify(plan), ...this.#bodies]
  }
}

// Lua cannot tell an empty list from an empty object: what is empty is left out.
function listed(name: string, list: readonly unknown[]): Readonly<Record<string, readonly unknown[]>> {
  return list.length === 0 ? {} : { [name]: list }
}

function ahead(position: Position): Position {
  return `${String(Number(position.slice(0, 13)) + claimAheadMs).padStart(13, '0')}${position.slice(13)}`
}
