import {
  type Consumer,
  type ConsumerObserver,
  noTransactions,
  type OutgoingMessage,
  type SendOptions,
  type SendReport,
  type Subscription,
  type Topology,
  type Transport,
  type TransportAdmin,
  type TransportContext,
  type TransportFacts,
} from '@sluice/core/transport'
import { RabbitAdmin } from './admin/rabbit-admin.ts'
import { type ConsumerHome, RabbitConsumer } from './consume/consumer.ts'
import { ReplyConsumer } from './consume/reply-consumer.ts'
import { DeadLetters } from './dead/dead-letters.ts'
import { DelayedMessages } from './delayed/delayed-messages.ts'
import { rabbitFacts } from './facts.ts'
import { closedError } from './link/errors.ts'
import { Link } from './link/link.ts'
import { type Answer, Instance, type Question } from './member/instance.ts'
import { Names } from './names.ts'
import { readUrl } from './options.ts'
import { declareRegistry } from './registry/first-declaration.ts'
import { Registry } from './registry/registry.ts'
import { Firings } from './schedules/firings.ts'
import { Publisher } from './send/publisher.ts'
import { Sender } from './send/sender.ts'
import { TopologyKeeper } from './topology.ts'

/** RabbitMQ as a transport: one connection that publishes, one that consumes. */
export class RabbitTransport implements Transport {
  readonly facts: TransportFacts
  readonly admin: TransportAdmin
  readonly #context: TransportContext
  readonly #links: readonly [publishing: Link, consuming: Link]
  readonly #publishers: readonly Publisher[]
  readonly #registry: Registry
  readonly #instance: Instance
  readonly #topology: TopologyKeeper
  readonly #sender: Sender
  readonly #delayed: DelayedMessages
  readonly #firings: Firings
  readonly #names: Names
  readonly #home: ConsumerHome
  readonly #consumers: Set<RabbitConsumer> = new Set()
  readonly #replies: Set<ReplyConsumer> = new Set()
  #consumed = 0
  #closing: Promise<void> | undefined

  private constructor(context: TransportContext, url: string) {
    const { address, options } = readUrl(url, context)
    const { clock } = context
    const publishing = new Link(address, options, context, 'publishing')
    const consuming = new Link(address, options, context, 'consuming')
    this.#context = context
    this.#links = [publishing, consuming]
    this.#names = new Names(options.prefix)
    // What a queue refuses makes all that its channel has not confirmed unknown: the application's messages have their own.
    const [messages, delayed, publisher] = [1, 2, 3].map(() => new Publisher(publishing, clock, options.confirmTimeoutMs)) as [Publisher, Publisher, Publisher]
    this.#publishers = [messages, delayed, publisher]
    const { registry: queue, registryLock: lock } = this.#names
    const declare = (): Promise<void> => declareRegistry({ link: consuming, clock, instanceId: context.instanceId, queue, lock })
    this.#registry = new Registry(consuming, publisher, clock, queue, declare, () => publishing.alarm)
    this.#instance = new Instance(
      context.instanceId,
      consuming,
      publishing,
      clock,
      this.#registry,
      (id) => this.#names.instance(id),
      (question) => this.#answer(question),
    )
    this.#topology = new TopologyKeeper(publishing, consuming, publisher, this.#registry, this.#names, options, clock)
    const deadLetters = new DeadLetters(consuming, publisher, clock, this.#names, this.#topology)
    this.#delayed = new DelayedMessages({
      link: consuming,
      publisher,
      clock,
      registry: this.#registry,
      instance: this.#instance,
      names: this.#names,
    })
    this.#sender = new Sender(messages, delayed, this.#registry, this.#names, clock, this.#delayed)
    this.facts = rabbitFacts('', options)
    const shared = {
      link: consuming,
      publisher,
      clock,
      registry: this.#registry,
      instance: this.#instance,
      names: this.#names,
      topology: this.#topology,
      deadLetters,
    }
    this.#home = { ...shared, report: (event) => context.report(event), left: (consumer) => void this.#consumers.delete(consumer) }
    this.#firings = new Firings({
      clock,
      registry: this.#registry,
      instance: this.#instance,
      send: async (message) => {
        const [failure] = (await this.#sender.send([message])).failures
        if (failure !== undefined) throw failure.error
      },
    })
    this.admin = new RabbitAdmin({
      ...shared,
      delayed: this.#delayed,
      firings: this.#firings,
      mustBeOpen: () => this.#mustBeOpen(),
    })
  }

  static async open(url: string, context: TransportContext): Promise<RabbitTransport> {
    const transport = new RabbitTransport(context, url)
    try {
      await Promise.all(transport.#links.map((link) => link.open()))
      await transport.#registry.open()
      await transport.#instance.open()
      transport.#delayed.open()
      transport.#firings.open()
    } catch (error) {
      // A server under an alarm would not read the end of a connection that publishes.
      transport.#links[0].destroy()
      await transport.close()
      throw error
    }
    Object.assign(transport.facts, { serverVersion: `RabbitMQ ${transport.#links[0].serverVersion}` })
    return transport
  }

  async declare(topology: Topology): Promise<void> {
    this.#mustBeOpen()
    await this.#topology.declare(topology)
    for (const { name } of topology.channels) this.#delayed.touch(name)
  }

  async send(batch: readonly OutgoingMessage[], options: SendOptions = {}): Promise<SendReport> {
    this.#mustBeOpen()
    if (options.transaction !== undefined) throw noTransactions('RabbitMQ')
    return this.#sender.send(batch)
  }

  async consume(subscription: Subscription, observer: ConsumerObserver): Promise<Consumer> {
    this.#mustBeOpen()
    const [, consuming] = this.#links
    if (subscription.kind === 'reply') {
      const consumer = new ReplyConsumer(
        consuming,
        this.#context,
        this.#names.reply(subscription.channel),
        subscription,
        observer,
        (left) => void this.#replies.delete(left),
      )
      await consumer.open()
      this.#replies.add(consumer)
      return consumer
    }
    await this.#topology.channel({ name: subscription.channel, kind: subscription.kind })
    await this.#topology.group(subscription)
    this.#delayed.touch(subscription.channel)
    const consumer = new RabbitConsumer(this.#home, subscription, observer, `${this.#context.instanceId}/${this.#consumed++}`)
    this.#consumers.add(consumer)
    await consumer.join()
    return consumer
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** For tests: breaks both connections without a word, for good. */
  crash(): void {
    this.#closing = Promise.resolve()
    for (const link of this.#links) link.destroy()
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#consumers, ...this.#replies].map((consumer) => consumer.close()))
    this.#firings.close()
    await this.#sender.close()
    await this.#delayed.close()
    await this.#instance.close()
    await this.#registry.close()
    await Promise.all(this.#publishers.map((publisher) => publisher.close()))
    await Promise.all(this.#links.map((link) => link.close()))
  }

  async #answer(question: Question): Promise<Answer> {
    if (question.ask === 'alive') return {}
    const mine = [...this.#consumers].filter(({ channel, group }) => channel === question.channel && group === question.group)
    if (question.ask === 'holdings') return { all: mine.map((consumer) => consumer.holdings()) }
    if (question.ask === 'drop') return { dropped: (await Promise.all(mine.map((consumer) => consumer.drop()))).reduce((a, b) => a + b, 0) }
    await Promise.all(mine.map((consumer) => consumer.lookAtLot(question.partition)))
    return {}
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw closedError()
  }
}
