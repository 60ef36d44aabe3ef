import type { Delivery, Subscription } from './transport.ts'

interface Waiter {
  readonly countMax: number
  readonly bytesMax: number
  readonly resolve: (deliveries: readonly Delivery[]) => void
}

/**
 * `Consumer.receive` for transports that have what comes in memory: the one call that pends, and the bound of the
 * subscription on what is in hand. What is read from the parking lot is asked for lane by lane and stays outside the window.
 */
export class ReceiveWindow {
  readonly #countMax: number
  readonly #bytesMax: number
  readonly #take: (countMax: number, bytesMax: number) => readonly Delivery[]
  #count = 0
  #bytes = 0
  #waiter: Waiter | undefined
  #isClosed = false
  #isSoon = false

  /**
   * `take` hands out what is ready, at most so many and (beyond the first) so many bytes; [] when nothing is, or the group is paused.
   * It is called only when there is room.
   */
  constructor(
    { windowCount, windowBytes }: Pick<Subscription, 'windowCount' | 'windowBytes'>,
    take: (countMax: number, bytesMax: number) => readonly Delivery[],
  ) {
    this.#countMax = windowCount
    this.#bytesMax = windowBytes
    this.#take = take
  }

  /** As `Consumer.receive`; resolves with [] once it is closed. */
  receive(countMax: number, bytesMax: number): Promise<readonly Delivery[]> {
    if (this.#isClosed) return Promise.resolve([])
    return new Promise((resolve) => {
      this.#waiter = { countMax, bytesMax, resolve }
      this.serve()
    })
  }

  /** Something is ready, or may be: answers the call that pends, if there is room. */
  serve(): void {
    const waiter = this.#waiter
    if (waiter === undefined || this.#count >= this.#countMax || (this.#count > 0 && this.#bytes >= this.#bytesMax)) return
    const taken = this.#take(Math.min(waiter.countMax, this.#countMax - this.#count), Math.min(waiter.bytesMax, this.#bytesMax - this.#bytes))
    if (taken.length === 0) return
    this.#count += taken.length
    for (const { sizeBytes } of taken) this.#bytes += sizeBytes
    this.#waiter = undefined
    waiter.resolve(taken)
  }

  /** The same, once the code that runs now is through. */
  serveSoon(): void {
    if (this.#waiter === undefined || this.#isSoon) return
    this.#isSoon = true
    queueMicrotask(() => {
      this.#isSoon = false
      this.serve()
    })
  }

  /** A delivery is out of the core's hands, however it ended. Call `serve` or `serveSoon` behind the last of a batch. */
  left(delivery: Delivery): void {
    if (delivery.fromLot) return
    this.#count--
    this.#bytes -= delivery.sizeBytes
  }

  /** Many are out of its hands at once (a partition went): counts what is left, and hands out soon what there is room for now. */
  recount(held: Iterable<Delivery>): void {
    this.#count = 0
    this.#bytes = 0
    for (const { fromLot, sizeBytes } of held)
      if (!fromLot) {
        this.#count++
        this.#bytes += sizeBytes
      }
    this.serveSoon()
  }

  close(): void {
    this.#isClosed = true
    this.#waiter?.resolve([])
    this.#waiter = undefined
  }
}
