/** An instance's own reply channel: an exclusive queue without acknowledgement, gone with the connection. */
import type { Consumer, ConsumerObserver, Delivery, Subscription, TransportContext } from '@sluice/core/transport'
import type { Channel, ConsumeMessage } from 'amqplib'
import type { Link, LinkUser } from '../link/link.ts'
import { fromWire } from '../wire.ts'

/** See the header of this file. */
export class ReplyConsumer implements Consumer, LinkUser {
  readonly lot: undefined = undefined
  readonly #link: Link
  readonly #context: TransportContext
  readonly #queue: string
  readonly #subscription: Subscription
  readonly #observer: ConsumerObserver
  readonly #left: (consumer: ReplyConsumer) => void
  #buffer: Delivery[] = []
  #waiter: { readonly countMax: number; readonly resolve: (deliveries: readonly Delivery[]) => void } | undefined
  #channel: Channel | undefined
  #closed = false

  constructor(
    link: Link,
    context: TransportContext,
    queue: string,
    subscription: Subscription,
    observer: ConsumerObserver,
    left: (consumer: ReplyConsumer) => void,
  ) {
    this.#link = link
    this.#context = context
    this.#queue = queue
    this.#subscription = subscription
    this.#observer = observer
    this.#left = left
  }

  async open(): Promise<void> {
    await this.up()
    this.#link.use(this)
    this.#observer.assigned(partition, [])
  }

  async up(): Promise<void> {
    const channel = await this.#link.channel()
    await channel.assertQueue(this.#queue, { exclusive: true, autoDelete: true, durable: false })
    await channel.consume(this.#queue, (message) => this.#arrived(message), { noAck: true })
    this.#channel = channel
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
    return new Map(this.#subscription.types.map((type) => [type, 1]))
  }

  yieldPartition(): void {}

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#waiter?.resolve([])
    this.#waiter = undefined
    this.#link.leave(this)
    await this.#channel?.deleteQueue(this.#queue).catch(() => undefined)
    await this.#channel?.close().catch(() => undefined)
    this.#left(this)
  }

  #arrived(message: ConsumeMessage | null): void {
    if (message === null) return
    const read = fromWire(message, this.#context.clock.nowMs())
    this.#buffer.push({
      ...read,
      partition,
      attempt: 0,
      deliveries: 0,
      firstDeliveredAtMs: undefined,
      notBeforeMs: 0,
      suspect: false,
      fromLot: false,
      note: undefined,
    })
    this.#serve()
  }

  #serve(): void {
    const waiter = this.#waiter
    if (waiter === undefined || this.#buffer.length === 0) return
    this.#waiter = undefined
    waiter.resolve(this.#buffer.splice(0, waiter.countMax))
  }
}

const partition = '0/1'
