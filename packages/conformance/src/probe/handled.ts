import assert from 'node:assert/strict'
import type { HandlerContext } from '@sluice/core'
import { within } from './probe.ts'

/** One call of a handler. */
export interface HandledMessage {
  readonly id: string
  readonly type: string
  readonly key: string | undefined
  readonly data: unknown
  readonly attempt: number
  readonly deliveries: number
  readonly startedAtMs: number
}

/** Writes down what handlers get, and lets a case wait for it. */
export class Handled {
  readonly all: HandledMessage[] = []
  readonly #waiting: Set<() => void> = new Set()

  /** To be called first in a handler. */
  note(data: unknown, context: HandlerContext): void {
    const { message, attempt, deliveries, key } = context
    this.all.push({ id: message.id, type: message.type, key, data, attempt, deliveries, startedAtMs: performance.now() })
    for (const check of this.#waiting) check()
  }

  get count(): number {
    return this.all.length
  }

  /** The numbers `n` of the data, in the order of calls; of one key, if one is given. */
  numbers(key?: string): number[] {
    return this.all.filter((each) => key === undefined || each.key === key).map((each) => (each.data as { readonly n: number }).n)
  }

  /** Each number once, in the order of first calls. */
  firsts(key?: string): number[] {
    return [...new Set(this.numbers(key))]
  }

  /** Resolves when at least `count` calls have begun. */
  async until(count: number): Promise<void> {
    await this.when(
      () => this.all.length >= count,
      () => `${this.all.length} of ${count} messages were handled`,
    )
  }

  /** Resolves when `condition` holds, looked at with each call. */
  async when(condition: () => boolean, what: () => string): Promise<void> {
    if (condition()) return
    const held = new Promise<void>((resolve) => {
      const check = (): void => {
        if (!condition()) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
    })
    await within(held, what)
  }

  /** First calls of each key must follow the numbers. */
  assertOrder(): void {
    for (const key of new Set(this.all.map((each) => each.key))) {
      if (key === undefined) continue
      const firsts = this.firsts(key)
      assert.deepEqual(
        firsts,
        firsts.toSorted((a, b) => a - b),
        `order of key ${key}`,
      )
    }
  }
}
