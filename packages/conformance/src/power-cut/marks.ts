/**
 * What the processes of a run write down, beside what they do: one line a mark, each by one write call, so that it has
 * its place among the writes and syncs of the recording. An intention is marked before, a promise after it was given.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import type { Operation } from './trace.ts'

export const marksName = 'marks'

/**
 * - `sending`, `sent`: about to be sent; confirmed.
 * - `delivered`: handed to a member's code.
 * - `accepting`, `accepted`: about to be settled (or handled, so that the bus may settle it); the settlement is durable.
 * - `rejecting`, `rejected`: the same for a dead letter.
 * - `committing`, `committed`: ids of the application's transaction; its durable commit returned. `undone`: it was rolled back.
 * - `delaying`, `delayed`: sent for a time that never comes in the run.
 */
export type MarkKind =
  | 'sending'
  | 'sent'
  | 'delivered'
  | 'accepting'
  | 'accepted'
  | 'rejecting'
  | 'rejected'
  | 'committing'
  | 'committed'
  | 'undone'
  | 'delaying'
  | 'delayed'

export interface Mark {
  readonly kind: MarkKind
  readonly ids: readonly string[]
  readonly group?: string
}

/** Writes marks to the file in this folder. */
export class Marker {
  readonly #fd: number

  constructor(folder: string) {
    this.#fd = openSync(`${folder}/${marksName}`, 'a')
  }

  mark(kind: MarkKind, ids: readonly string[], group?: string): void {
    writeSync(this.#fd, `${JSON.stringify([kind, ids, group])}\n`)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

/** What had been intended and promised at a moment. */
export class Promises {
  readonly sending: Set<string> = new Set()
  readonly sent: Set<string> = new Set()
  /** Group → ids. */
  readonly delivered: Map<string, Set<string>> = new Map()
  readonly accepting: Map<string, Set<string>> = new Map()
  readonly accepted: Map<string, Set<string>> = new Map()
  readonly rejecting: Map<string, Set<string>> = new Map()
  readonly rejected: Map<string, Set<string>> = new Map()
  /** First id of a transaction → all its ids. */
  readonly committing: Map<string, readonly string[]> = new Map()
  readonly committed: Set<string> = new Set()
  readonly undone: Set<string> = new Set()
  readonly delaying: Set<string> = new Set()
  readonly delayed: Set<string> = new Set()

  add({ kind, ids, group = '' }: Mark): void {
    if (kind === 'committing') {
      this.committing.set(ids[0] as string, ids)
      for (const id of ids) this.sending.add(id)
      return
    }
    const known = this[kind]
    const target = known instanceof Set ? known : ofGroup(known, group)
    for (const id of ids) target.add(id)
    if (kind === 'committed') for (const id of ids) this.sent.add(id)
  }

  addAll(operations: readonly Operation[]): void {
    for (const { data } of operations) this.add(markOf(data))
  }
}

/** The ids of a group, made when missing. */
export function ofGroup(sets: Map<string, Set<string>>, group: string): Set<string> {
  let set = sets.get(group)
  if (set === undefined) {
    set = new Set()
    sets.set(group, set)
  }
  return set
}

function markOf(data: Buffer): Mark {
  const [kind, ids, group] = JSON.parse(data.toString()) as [MarkKind, string[], string | null]
  return { kind, ids, ...(group === null || group === undefined ? {} : { group }) }
}
