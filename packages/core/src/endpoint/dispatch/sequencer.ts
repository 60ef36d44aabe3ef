/**
 * Puts deliveries into the order in which their producers stamped them, before they reach the lanes (R4), where the
 * transport does not keep it itself (fact `publishOrder: 'sequence'`). What waits for a gap counts against the window.
 */
import { ProducerOrder, type ProducerOrderOutput } from '../../message/index.ts'
import type { Delivery } from '../../transport/index.ts'

/** See the header of this file. */
export class Sequencer {
  readonly #order: ProducerOrder<Delivery>
  /** Lost while they waited for a gap: dropped when their turn comes. */
  readonly #lost: Set<Delivery> = new Set()

  constructor(windowCount: number) {
    this.#order = new ProducerOrder<Delivery>({ heldMax: Math.max(1, windowCount >> 2) })
  }

  /** Deliveries that wait for an earlier one. */
  get heldCount(): number {
    return this.#order.stats.held
  }

  /** When `expire` has something to do, monotonic ms; Infinity: nothing waits. */
  get nextMs(): number {
    return this.heldCount === 0 ? Number.POSITIVE_INFINITY : (this.#order.nextDueMs() ?? Number.POSITIVE_INFINITY)
  }

  /** Takes what arrived; gives what may go on, and the repeats that are to be accepted unhandled. */
  offer(deliveries: readonly Delivery[], nowMs: number): ProducerOrderOutput<Delivery> {
    const out: ProducerOrderOutput<Delivery> = { deliver: [], repeats: [] }
    for (const delivery of deliveries) this.#order.offer(delivery.partition, delivery.envelope, delivery, nowMs, delivery.deliveries > 0, out)
    return this.#withoutLost(out)
  }

  /** Gives up gaps that lasted too long. */
  expire(nowMs: number): ProducerOrderOutput<Delivery> {
    const out: ProducerOrderOutput<Delivery> = { deliver: [], repeats: [] }
    this.#order.expire(nowMs, out)
    return this.#withoutLost(out)
  }

  /** The partition is gone, or nothing new of it may start: what waits is forgotten and comes again elsewhere. */
  drop(partition: string): void {
    for (const delivery of this.#order.drop(partition)) this.#lost.delete(delivery)
  }

  /** These were given back: they come again and are no repeats then. */
  released(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) if (!delivery.fromLot) this.#order.released(delivery.partition, delivery.envelope)
  }

  /** These come again, too, and must not be handed out if they still wait here. */
  lost(deliveries: readonly Delivery[]): void {
    this.released(deliveries)
    if (this.heldCount > 0) for (const delivery of deliveries) this.#lost.add(delivery)
    else this.#lost.clear()
  }

  #withoutLost(out: ProducerOrderOutput<Delivery>): ProducerOrderOutput<Delivery> {
    if (this.#lost.size === 0) return out
    const kept = out.deliver.filter((delivery) => !this.#lost.delete(delivery))
    if (this.heldCount === 0) this.#lost.clear()
    return { deliver: kept, repeats: out.repeats }
  }
}
