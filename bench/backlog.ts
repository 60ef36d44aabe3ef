/** A bus file full of orders, and processes that drain it. */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Role, type Span } from './processes.ts'

/** Fills `folder` with `count` orders; returns messages a second. */
export async function fill(folder: string, count: number): Promise<number> {
  const role = new Role(new URL('./sluice-log/fill.ts', import.meta.url), [folder, String(count)])
  await role.next()
  role.tell('go')
  const { startNs, endNs } = await role.next<Span>()
  await role.end()
  return (count * 1e9) / (endNs - startNs)
}

/** The same backlog again in another folder. */
export function copyBacklog(from: string, to: string): Promise<void> {
  return copyFile(join(from, 'bus.db'), join(to, 'bus.db'))
}

/** How far a process was at a time. */
export interface Progress {
  readonly handled: number
  readonly atNs: number
}

/** What a drained process reports. */
export interface Drained {
  readonly handled: number
  readonly connectNs: number
  readonly firstNs: number
  readonly rssMax: number
}

/** A process that drains; `progress` grows while it does. */
export class Drain {
  readonly #role: Role
  readonly progress: Progress[] = []
  #final: Drained | undefined
  #ended: Promise<void> | undefined
  readonly #beyond: { readonly count: number; readonly resolve: () => void }[] = []

  constructor(folder: string, count: number, trace: string = '') {
    this.#role = new Role(new URL('./sluice-log/drain.ts', import.meta.url), [folder, String(count), trace])
  }

  ready(): Promise<unknown> {
    return this.#role.next()
  }

  go(): void {
    this.#role.tell('go')
    this.#ended = this.#listen()
  }

  async #listen(): Promise<void> {
    for (;;) {
      const message = await this.#role.next<Progress | Drained>()
      if ('firstNs' in message) {
        this.#final = message
        return
      }
      this.progress.push(message)
      for (const waiter of this.#beyond) if (message.handled >= waiter.count) waiter.resolve()
    }
  }

  get handled(): number {
    return this.progress.at(-1)?.handled ?? 0
  }

  reached(count: number): Promise<void> {
    // It says how far it is only while it gets on.
    if (this.handled >= count) return Promise.resolve()
    return new Promise((resolve, reject) => {
      this.#beyond.push({ count, resolve })
      this.#ended?.catch(reject)
    })
  }

  /** How many it had handled at a time, between two reports by proportion. */
  handledAt(atNs: number): number {
    let before: Progress = { handled: 0, atNs: this.progress[0]?.atNs ?? atNs }
    for (const one of this.progress) {
      if (one.atNs >= atNs) return before.handled + ((one.handled - before.handled) * (atNs - before.atNs)) / Math.max(1, one.atNs - before.atNs)
      before = one
    }
    return before.handled
  }

  async end(): Promise<Drained> {
    this.#role.tell('stop')
    await this.#ended
    await this.#role.end()
    return this.#final as Drained
  }
}
