import {
  type Consumer,
  type ConsumerObserver,
  noTransactions,
  type OutgoingMessage,
  type SendOptions,
  type SendReport,
  SluiceError,
  type Subscription,
  type Topology,
  type Transport,
  type TransportAdmin,
  type TransportContext,
  type TransportFacts,
} from '@sluice/core/transport'
import { KafkaAdmin } from './administration/admin.ts'
import { ConnectionEnded, closed, connectError, KafkaError, toSluice, userWanted } from './errors.ts'
import { type BrokerSettings, kafkaFacts } from './facts.ts'
import { KafkaConsumer } from './group/consumer.ts'
import { ReplyConsumer } from './group/reply-consumer.ts'
import { Sweeper } from './group/sweeper.ts'
import { Trimmer } from './group/trimmer.ts'
import type { KafkaBus } from './kafka-bus.ts'
import { LaterKeeper } from './later/later-keeper.ts'
import { Cluster } from './link/cluster.ts'
import { Names } from './names.ts'
import { kafkaOptions, kafkaTarget } from './options.ts'
import { apiVersions, describeConfigs } from './protocol/requests/cluster.ts'
import { fetchOffsets } from './protocol/requests/groups.ts'
import { commitInTransaction } from './protocol/requests/transactions.ts'
import { Registry } from './registry/registry.ts'
import { Firings } from './schedules/firings.ts'
import { Sender } from './send/sender.ts'
import { TopologyKeeper } from './topology.ts'

/** Kafka as a transport. */
export class KafkaTransport implements Transport {
  readonly facts: TransportFacts
  readonly admin: TransportAdmin
  readonly #bus: KafkaBus
  readonly #sender: Sender
  readonly #consumers: Set<KafkaConsumer | ReplyConsumer> = new Set()
  readonly #trimmer: Trimmer
  readonly #sweeper: Sweeper
  readonly #later: LaterKeeper
  readonly #firings: Firings
  #closing: Promise<void> | undefined

  private constructor(bus: KafkaBus, facts: TransportFacts) {
    this.#bus = bus
    this.facts = facts
    this.#later = new LaterKeeper(bus)
    this.#firings = new Firings(bus)
    this.#sender = new Sender(bus, facts.messageBytesMax, () => this.#later.touch())
    this.#sweeper = new Sweeper(bus)
    this.#sweeper.start()
    this.#trimmer = new Trimmer(bus, () => [...this.#consumers].flatMap((consumer) => (consumer instanceof KafkaConsumer ? consumer.owned() : [])))
    this.admin = new KafkaAdmin(bus, this.#firings, (channel, group) => {
      let count = 0
      for (const consumer of this.#consumers)
        if (consumer instanceof KafkaConsumer && consumer.channel === channel && consumer.group === group) count += consumer.inFlight
      return count
    })
  }

  static async open(url: string, context: TransportContext): Promise<KafkaTransport> {
    const options = kafkaOptions(url, context)
    const { brokers, tls, credentials, shown } = kafkaTarget(url, context)
    const { connectTimeoutMs, replyTimeoutMs } = options
    const access = { clientId: context.service, tls, credentials, connectTimeoutMs, replyTimeoutMs }
    const cluster = new Cluster(brokers, access, context.clock, (event) => context.report(event), options.tunnel ? brokers[0] : undefined)
    try {
      await cluster.open()
      const settings = await readSettings(cluster)
      const names = new Names(options.prefix)
      const registry = new Registry(cluster, names.registry, options.replication, (event) => context.report(event))
      const parts = { context, options, cluster, names, registry }
      await registry.open()
      return new KafkaTransport({ ...parts, topology: new TopologyKeeper(parts) }, kafkaFacts(settings, options))
    } catch (error) {
      const wantsUser = credentials === undefined && error instanceof ConnectionEnded && (await cluster.asksForUser().catch(() => false))
      cluster.close()
      throw wantsUser ? userWanted(shown) : connectError(error, shown)
    }
  }

  async declare(topology: Topology): Promise<void> {
    this.#mustBeOpen()
    await sluiced('declaring', this.#bus.topology.declare(topology))
  }

  send(batch: readonly OutgoingMessage[], options: SendOptions = {}): Promise<SendReport> {
    if (this.#closing !== undefined) return Promise.reject(closed())
    if (options.transaction !== undefined) return Promise.reject(noTransactions('Kafka'))
    return this.#sender.send(batch)
  }

  async consume(subscription: Subscription, observer: ConsumerObserver): Promise<Consumer> {
    this.#mustBeOpen()
    return sluiced('joining a group', this.#consume(subscription, observer))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** For tests: dies as a killed process would. What it held is taken over after `facts.takeOverMs`. */
  crash(): void {
    this.#closing ??= Promise.resolve()
    void this.#trimmer.stop()
    void this.#sweeper.stop()
    this.#later.crash()
    this.#firings.close()
    for (const consumer of this.#consumers) consumer.crash()
    this.#bus.cluster.close()
    void this.#bus.registry.close()
  }

  async #consume(subscription: Subscription, observer: ConsumerObserver): Promise<Consumer> {
    const { channel, kind } = subscription
    await this.#bus.topology.declare({ channels: [{ name: channel, kind }], groups: [subscription] })
    const partitions = this.#bus.registry.state.channels.get(channel)?.partitions ?? 1
    const left = (consumer: KafkaConsumer | ReplyConsumer): void => void this.#consumers.delete(consumer)
    if (kind === 'reply') {
      const consumer = new ReplyConsumer(this.#bus, subscription, left)
      await consumer.open(partitions, observer)
      this.#consumers.add(consumer)
      return consumer
    }
    this.#later.touch()
    const consumer = new KafkaConsumer(this.#bus, subscription, partitions, observer, left)
    this.#consumers.add(consumer)
    this.#trimmer.start()
    try {
      await consumer.join()
    } catch (error) {
      consumer.crash()
      this.#consumers.delete(consumer)
      throw error
    }
    return consumer
  }

  async #close(): Promise<void> {
    await Promise.all([this.#trimmer.stop(), this.#sweeper.stop()])
    this.#firings.close()
    await Promise.all([this.#sender.drained(), this.#later.close(), ...[...this.#consumers].map((consumer) => consumer.close())])
    this.#bus.cluster.close()
    await this.#bus.registry.close()
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw closed()
  }
}

async function sluiced<T>(where: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw toSluice(error, where)
  }
}

async function readSettings(cluster: Cluster): Promise<BrokerSettings> {
  const { versions } = await cluster.any(apiVersions, undefined)
  for (const { key, version, name } of [fetchOffsets, commitInTransaction])
    if ((versions.get(key) ?? -1) < version)
      throw new SluiceError('SERVER_TOO_OLD', `these brokers are too old: they do not know ${name} in version ${version}`, { fix: 'Use Kafka 2.5 or newer' })
  const wanted = ['min.insync.replicas', 'default.replication.factor', 'message.max.bytes', 'offsets.retention.minutes']
  const values = new Map<string, string | null>()
  try {
    const { error, values: found } = await cluster.any(describeConfigs, { kind: 'broker', resource: String(cluster.anyId), names: wanted })
    if (error === 0) for (const [name, value] of found) values.set(name, value)
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error
  }
  const number = (name: string): number | undefined => (values.get(name) === undefined ? undefined : Number(values.get(name)))
  return {
    version: `Kafka (Metadata ${versions.get(3) ?? '?'}, Fetch ${versions.get(1) ?? '?'})`,
    minInsyncReplicas: number('min.insync.replicas'),
    replication: number('default.replication.factor'),
    messageBytesMax: number('message.max.bytes'),
    offsetsKeptMinutes: number('offsets.retention.minutes'),
  }
}
