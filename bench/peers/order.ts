import { z } from 'zod'
import { cloudEventOf, type Order } from '../order.ts'

// The same checks as Sluice's contract (sluice-log/contract.ts), on both sides.
const schema = z.object({ orderId: z.string(), customer: z.string(), total: z.number(), quantity: z.number().int() })

/** A message as every peer carries it: a CloudEvents object whose data were validated. */
export interface OrderEvent {
  readonly data: Order
}

/** The n-th order of a run, validated, as the 230-byte CloudEvents object. */
export function eventOf(n: number): OrderEvent {
  const event = cloudEventOf(n) as OrderEvent
  schema.parse(event.data)
  return event
}

/** CloudEvents attributes of a message by their names, and the application's headers beside them. */
export type EventAttributes = Readonly<Record<string, string>>

/** The n-th order, validated, as attributes and body apart: how brokers with fields or headers carry a CloudEvent. */
export function attributesOf(n: number): { id: string; type: string; source: string; time: string; partitionkey: string; body: string } {
  const { data } = eventOf(n)
  return {
    // As long as Sluice's, a UUID.
    id: `00000000-0000-7000-8000-${100_000_000_000 + n}`,
    type: 'shop.order.placed',
    source: 'order',
    time: new Date().toISOString(),
    partitionkey: data.customer,
    body: JSON.stringify(data),
  }
}

/** Validates what was received. */
export function orderIn(event: unknown): Order {
  return schema.parse((event as { readonly data: unknown }).data)
}

/** Calls `send` for each batch, a bounded number of calls outstanding; resolves when all are confirmed. */
export async function inBatches(count: number, size: number, outstandingMax: number, send: (first: number, size: number) => Promise<unknown>): Promise<void> {
  const outstanding: Promise<unknown>[] = []
  for (let first = 0; first < count; first += size) {
    outstanding.push(send(first, Math.min(size, count - first)))
    if (outstanding.length >= outstandingMax) await outstanding.shift()
  }
  await Promise.all(outstanding)
}

/** Counts what was handled; `done` resolves with the time of the first one when all were. */
export class Tally {
  readonly #count: number
  readonly #finished = Promise.withResolvers<void>()
  #handled = 0
  #quantity = 0
  #startNs = 0

  constructor(count: number) {
    this.#count = count
  }

  get complete(): boolean {
    return this.#handled >= this.#count
  }

  handle(order: Order, nowNs: () => number): void {
    if (this.#handled === 0) this.#startNs = nowNs()
    this.#quantity += order.quantity
    if (++this.#handled === this.#count) this.#finished.resolve()
  }

  async done(): Promise<number> {
    await this.#finished.promise
    if (this.#quantity === 0) throw new Error('nothing was read')
    return this.#startNs
  }
}
