import type { Consumer, Delivery, Subscription } from './transport.ts'

/** What a delivery says of which nobody has had anything before. */
export const firstDelivery: Omit<Delivery, 'envelope' | 'partition' | 'storedAtMs' | 'sizeBytes'> = {
  attempt: 0,
  deliveries: 0,
  firstDeliveredAtMs: undefined,
  notBeforeMs: 0,
  suspect: false,
  fromLot: false,
  note: undefined,
}

/** A consumer of what the server forgets as it sends it (an instance's own replies): settling has nothing to do. */
export abstract class UnsettledConsumer implements Consumer {
  readonly lot: undefined = undefined
  readonly #types: readonly string[]
  #buffer: Delivery[] = []
  #waiter: { readonly countMax: number; readonly resolve: (deliveries: readonly Delivery[]) => void } | undefined
  #closed = false

  constructor(subscription: Subscription) {
    this.#types = subscription.types
  }

  /** Ends what brings messages; called once, after a pending `receive` was answered. */
  protected abstract leave(): Promise<void>

  protected heard(delivery: Delivery): void {
    this.#buffer.push(delivery)
    this.#serve()
  }

  receive(countMax: number): Promise<readonly Delivery[]> {
    if (this.#closed) return Promise.resolve([])
    return new Promise((resolve) => {
      this.#waiter = { countMax, resolve }
      this.#serve()
    })
  }

  accept(): void {}

  release(deliveries: readonly Delivery[]): void {
    this.#buffer.unshift(...deliveries)
    this.#serve()
  }

  async record(): Promise<void> {}

  async deadLetter(): Promise<void> {}

  async flush(): Promise<void> {}

  groupTypes(): ReadonlyMap<string, number> {
    return new Map(this.#types.map((type) => [type, 1]))
  }

  yieldPartition(): void {}

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#waiter?.resolve([])
    this.#waiter = undefined
    await this.leave()
  }

  #serve(): void {
    const waiter = this.#waiter
    if (waiter === undefined || this.#buffer.length === 0) return
    this.#waiter = undefined
    waiter.resolve(this.#buffer.splice(0, waiter.countMax))
  }
}
