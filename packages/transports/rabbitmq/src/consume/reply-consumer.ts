/** An instance's own reply channel: an exclusive queue without acknowledgement, gone with the connection. */
import { type ConsumerObserver, firstDelivery, type Subscription, type TransportContext, UnsettledConsumer } from '@sluice/core/transport'
import type { Channel, ConsumeMessage } from 'amqplib'
import type { Link, LinkUser } from '../link/link.ts'
import { fromWire } from '../wire.ts'

/** See the header of this file. */
export class ReplyConsumer extends UnsettledConsumer implements LinkUser {
  readonly #link: Link
  readonly #context: TransportContext
  readonly #queue: string
  readonly #observer: ConsumerObserver
  readonly #left: (consumer: ReplyConsumer) => void
  #channel: Channel | undefined

  constructor(
    link: Link,
    context: TransportContext,
    queue: string,
    subscription: Subscription,
    observer: ConsumerObserver,
    left: (consumer: ReplyConsumer) => void,
  ) {
    super(subscription)
    this.#link = link
    this.#context = context
    this.#queue = queue
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

  protected async leave(): Promise<void> {
    this.#link.leave(this)
    await this.#channel?.deleteQueue(this.#queue).catch(() => undefined)
    await this.#channel?.close().catch(() => undefined)
    this.#left(this)
  }

  #arrived(message: ConsumeMessage | null): void {
    if (message !== null) this.heard({ ...firstDelivery, ...fromWire(message, this.#context.clock.nowMs()), partition })
  }
}

const partition = '0/1'
