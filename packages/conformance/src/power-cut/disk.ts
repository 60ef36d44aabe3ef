/**
 * The files of a folder as a disk keeps them: what is certain to survive a power cut, and what only may.
 *
 * - A write, truncation or new size survives if a sync of the same file began after it had ended, and that sync was over
 *   before the cut. Otherwise each of its 512-byte sectors may or may not survive.
 * - A name (creation, deletion) survives if the folder was synced after it; a sync of the file alone does not keep it.
 * - After a sync that failed, what it should have written is as uncertain as before. With `dropped` later syncs do not
 *   keep it either: Linux marks the pages clean, but tells every descriptor that is open then, which a recording with
 *   failures injected into single calls cannot show. An injected success did nothing.
 */
import type { Operation, Trace } from './trace.ts'

export const sectorBytes = 512

/** A change of a file's content that is not certain to survive. */
interface Change {
  readonly operation: Operation
  state: 'pending' | 'durable' | 'orphaned'
}

/** One file, with or without a name. */
interface Inode {
  /** What is certain, before `changes`. */
  content: Buffer
  changes: Change[]
}

/** What a name leads to, in time; undefined: nothing. */
interface Naming {
  readonly inode: Inode | undefined
  readonly operation: Operation
}

interface Entry {
  /** As it is certain to survive. */
  kept: Inode | undefined
  /** As processes see it. */
  seen: Inode | undefined
  /** Inode whose name was taken last: what nameless descriptors lead to. */
  gone: Inode | undefined
  namings: Naming[]
}

/** What survives of an uncertain change: all sectors, none, or those for which it returns true. */
export type Fate = 'all' | 'none' | ((sector: number) => boolean)

/** Decides over one image. */
export interface Chance {
  /** Of a change to a file's content. */
  change(name: string, operation: Operation): Fate
  /** Of a write beyond the end of the file that does not survive: whether the new size does. */
  size(name: string): boolean
  /** How many of a name's uncertain creations and deletions survive, the first ones. */
  names(name: string, count: number): number
}

/** Files by name. */
export type Image = ReadonlyMap<string, Buffer>

export class Disk {
  readonly #entries: Map<string, Entry> = new Map()
  readonly #operations: readonly Operation[]
  // By their ends: syncs act, and failed operations are forgotten, when they are over.
  readonly #endings: readonly Operation[]
  #begun = 0
  #ended = 0

  readonly #dropped: boolean

  constructor(trace: Trace, base: Image = new Map(), dropped = false) {
    this.#dropped = dropped
    this.#operations = trace.operations.filter(({ kind, name }) => kind !== 'mark' && !name.endsWith('-shm'))
    this.#endings = this.#operations.filter(({ end }) => end !== Infinity).sort((a, b) => a.end - b.end)
    for (const [name, content] of base) {
      const inode = { content, changes: [] }
      this.#entries.set(name, { kept: inode, seen: inode, gone: undefined, namings: [] })
    }
  }

  /** Lets everything happen that began before this moment. Moments only grow. */
  advance(to: number): void {
    for (;;) {
      const next = this.#operations[this.#begun]
      const ending = this.#endings[this.#ended]
      const begins = next !== undefined && next.begin < to ? next.begin : Infinity
      const ends = ending !== undefined && ending.end < to ? ending.end : Infinity
      if (begins === Infinity && ends === Infinity) return
      if (begins <= ends) {
        this.#begun++
        this.#begin(next as Operation)
      } else {
        this.#ended++
        this.#end(ending as Operation)
      }
    }
  }

  #entry(name: string): Entry {
    let entry = this.#entries.get(name)
    if (entry === undefined) {
      entry = { kept: undefined, seen: undefined, gone: undefined, namings: [] }
      this.#entries.set(name, entry)
    }
    return entry
  }

  #begin(operation: Operation): void {
    if (operation.outcome === 'failed' || operation.outcome === 'injected') return
    const entry = this.#entry(operation.name)
    if (operation.kind === 'open') {
      if (entry.seen === undefined) {
        entry.seen = { content: Buffer.alloc(0), changes: [] }
        entry.namings.push({ inode: entry.seen, operation })
      } else if (operation.offset === 3) entry.seen.changes.push({ operation: { ...operation, kind: 'truncate', offset: 0 }, state: 'pending' })
    } else if (operation.kind === 'unlink') {
      entry.gone = entry.seen
      entry.seen = undefined
      entry.namings.push({ inode: undefined, operation })
    } else if (operation.kind === 'write' || operation.kind === 'truncate') {
      this.#inode(entry, operation)?.changes.push({ operation, state: 'pending' })
    }
  }

  #inode(entry: Entry, { nameless }: Operation): Inode | undefined {
    return nameless ? entry.gone : entry.seen
  }

  #end(operation: Operation): void {
    if (operation.kind !== 'sync' || operation.outcome === 'injected') return
    if (operation.name === '') {
      if (operation.outcome === 'done') this.#keepNames(operation)
      return
    }
    const inode = this.#inode(this.#entry(operation.name), operation)
    if (inode === undefined) return
    if (operation.outcome !== 'done' && !this.#dropped) return
    for (const change of inode.changes)
      if (change.state === 'pending' && change.operation.end < operation.begin) change.state = operation.outcome === 'done' ? 'durable' : 'orphaned'
    settle(inode)
  }

  #keepNames(sync: Operation): void {
    for (const entry of this.#entries.values()) {
      const kept = entry.namings.findLastIndex(({ operation }) => operation.end < sync.begin)
      if (kept === -1) continue
      entry.kept = entry.namings[kept]?.inode
      entry.namings = entry.namings.slice(kept + 1)
    }
  }

  /** Number of changes that are not certain now. */
  get uncertain(): number {
    let count = 0
    for (const { namings, kept, seen } of this.#entries.values()) {
      count += namings.length
      for (const inode of new Set([kept, seen])) count += inode?.changes.filter(({ state }) => state !== 'durable').length ?? 0
    }
    return count
  }

  /** What a disk may hold after a power cut now. */
  image(chance: Chance): Image {
    const image = new Map<string, Buffer>()
    for (const [name, { kept, namings }] of this.#entries) {
      const count = namings.length === 0 ? 0 : chance.names(name, namings.length)
      const inode = count === 0 ? kept : namings[count - 1]?.inode
      if (inode !== undefined) image.set(name, content(name, inode, chance))
    }
    return image
  }
}

/** Changes that are certain and have none before them that is not become content. */
function settle(inode: Inode): void {
  const { changes } = inode
  // An emptied file forgets whatever came before, certain or not.
  const emptied = changes.findLastIndex(({ state, operation }) => state === 'durable' && operation.kind === 'truncate' && operation.offset === 0)
  let count = Math.max(0, emptied)
  while (changes[count]?.state === 'durable') count++
  if (count === 0) return
  const target = new Growing(inode.content)
  for (const { operation } of changes.slice(Math.max(0, emptied), count)) target.apply(operation, 'all', false)
  inode.content = Buffer.from(target.bytes)
  inode.changes = changes.slice(count)
}

function content(name: string, inode: Inode, chance: Chance): Buffer {
  const target = new Growing(inode.content)
  for (const { operation, state } of inode.changes) {
    const fate = state === 'durable' ? 'all' : chance.change(name, operation)
    target.apply(operation, fate, fate !== 'all' && chance.size(name))
  }
  return target.bytes
}

/** A copy of a file's content that grows by doubling. */
class Growing {
  #buffer: Buffer
  #size: number

  constructor(content: Buffer) {
    this.#buffer = Buffer.alloc(Math.max(4096, content.length * 2))
    content.copy(this.#buffer)
    this.#size = content.length
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size)
  }

  apply({ kind, offset, data }: Operation, fate: Fate, keepSize: boolean): void {
    if (kind === 'truncate') {
      if (fate === 'none') return
      if (offset < this.#size) this.#buffer.fill(0, offset, this.#size)
      this.#resize(offset)
      return
    }
    if (keepSize) this.#resize(Math.max(this.#size, offset + data.length))
    if (fate === 'none') return
    for (let from = 0; from < data.length; ) {
      const sector = Math.floor((offset + from) / sectorBytes)
      const until = fate === 'all' ? data.length : Math.min(data.length, (sector + 1) * sectorBytes - offset)
      if (fate === 'all' || fate(sector)) {
        this.#resize(Math.max(this.#size, offset + until))
        data.copy(this.#buffer, offset + from, from, until)
      }
      from = until
    }
  }

  #resize(size: number): void {
    if (size > this.#buffer.length) {
      const larger = Buffer.alloc(size * 2)
      this.#buffer.copy(larger, 0, 0, this.#size)
      this.#buffer = larger
    }
    this.#size = size
  }
}
