import {
  type ChannelDeclaration,
  type Consumer,
  type ConsumerObserver,
  type GroupDeclaration,
  noTransactions,
  type OutgoingMessage,
  type SendOptions,
  type SendReport,
  SluiceError,
  type Subscription,
  type Timer,
  type Topology,
  type Transport,
  type TransportAdmin,
  type TransportContext,
  type TransportFacts,
} from '@sluice/core/transport'
import { RedisAdmin } from './administration/admin.ts'
import { closed, connectError, sluiced, toSluice } from './errors.ts'
import { RedisConsumer } from './group/consumer.ts'
import { declareTopology } from './group/declare.ts'
import { clusterPrefix } from './keys.ts'
import { Watch } from './log/watch.ts'
import { openLink } from './open-link.ts'
import { type RedisOptions, redisOptions, redisTarget } from './options.ts'
import { RedisBus } from './redis-bus.ts'
import type { Link, LinkEvents } from './resp/link.ts'
import { DueMover } from './send/due-mover.ts'
import { Sender } from './send/sender.ts'
import { readServer } from './server.ts'

/** How long accepted messages stay in a channel that says nothing: a day, 256 MiB. Redis keeps them in memory. */
const retentionAgeMs = 24 * 3_600_000
const retentionBytes = 256 * 1024 * 1024
/** Every so many heartbeats the channels that are consumed here are trimmed. */
const trimEvery = 2

/** In a cluster all keys of a bus have one hash tag. */
function inCluster(options: RedisOptions): RedisOptions {
  if (options.prefix === '') throw new SluiceError('INVALID_OPTION', 'in a cluster redis.prefix must not be empty: it chooses the slot')
  return { ...options, prefix: clusterPrefix(options.prefix) }
}

/** Redis Streams as a transport. */
export class RedisTransport implements Transport {
  readonly facts: TransportFacts
  readonly admin: TransportAdmin
  readonly #bus: RedisBus
  readonly #reading: Link
  readonly #sender: Sender
  readonly #mover: DueMover
  readonly #consumers: Set<RedisConsumer> = new Set()
  readonly #declared: Map<string, { readonly channel: ChannelDeclaration; readonly groups: Map<string, GroupDeclaration> }> = new Map()
  readonly #declaring: Set<string> = new Set()
  #heartbeat: Timer | undefined
  #beats = 0
  #closing: Promise<void> | undefined

  private constructor(bus: RedisBus, reading: Link, facts: TransportFacts) {
    this.#bus = bus
    this.#reading = reading
    this.facts = facts
    this.#mover = new DueMover(bus)
    bus.onGone((channel) => this.#declareAgain(channel))
    this.#sender = new Sender(bus, (channel, dueMs) => this.#mover.sent(channel, dueMs))
    const inHand = (): ReadonlyMap<string, number> => new Map([...this.#consumers].map(({ inHand: { memberId, count } }) => [memberId, count]))
    const changed = async (channel: string): Promise<void> => {
      await Promise.all([...this.#consumers].filter((one) => one.channel === channel).map((one) => one.look()))
    }
    this.admin = new RedisAdmin(bus, inHand, changed, () => this.#closing !== undefined)
  }

  static async open(url: string, context: TransportContext): Promise<RedisTransport> {
    const given = redisOptions(url, context)
    const target = redisTarget(url, context, given)
    let transport: RedisTransport | undefined
    const links: Link[] = []
    const restored: LinkEvents['restored'] = (link, moved) => {
      // After a fail-over one may have found the new primary while another is still with the former one: the freshest knows best.
      for (const other of links) if (other.connected && other.runId !== link.runId) other.reconnect()
      if (link === links[0] || link === links[1]) transport?.restored(link === links[0] && moved)
    }
    try {
      const link = await openLink(target, context, { suffix: '', restored })
      links.push(link)
      const options = link.cluster ? inCluster(given) : given
      const facts = await readServer(link, options)
      const reading = await openLink(target, context, { suffix: '-reader', restored })
      links.push(reading)
      let sending = link
      if (options.replicas > 0) {
        sending = await openLink(target, context, { suffix: '-sender', restored })
        links.push(sending)
      }
      const bus = new RedisBus(context, options, { link, sending }, new Watch(reading, link, context.clock))
      transport = new RedisTransport(bus, reading, facts)
      return transport
    } catch (error) {
      for (const link of links) link.close()
      throw connectError(error, target.shown)
    }
  }

  async declare(topology: Topology): Promise<void> {
    this.#mustBeOpen()
    await sluiced('declaring', declareTopology(this.#bus, topology))
    for (const channel of topology.channels) this.#declared.set(channel.name, { channel, groups: this.#declared.get(channel.name)?.groups ?? new Map() })
    for (const group of topology.groups) if (!group.ephemeral) this.#declared.get(group.channel)?.groups.set(group.group, group)
  }

  // The server lost its data: what this process had declared is declared once more, each channel once at a time.
  #declareAgain(name: string): boolean {
    const declared = this.#declared.get(name)
    if (declared === undefined) return false
    if (this.#declaring.has(name) || this.#closing !== undefined) return true
    this.#declaring.add(name)
    this.#bus.report('error', `channel ${name} is not on the server any more: the server lost its data. It is made anew`)
    // What was sent to it before is gone; a group that started at its end starts at its beginning, so that nothing more is.
    const groups = [...declared.groups.values()].map((group): GroupDeclaration => ({ ...group, from: 'start' }))
    declareTopology(this.#bus, { channels: [declared.channel], groups })
      .catch((error: unknown) => this.#bus.report('warn', `channel ${name} could not be made anew`, toSluice(error, 'declaring')))
      .finally(() => this.#declaring.delete(name))
    return true
  }

  send(batch: readonly OutgoingMessage[], options: SendOptions = {}): Promise<SendReport> {
    if (this.#closing !== undefined) return Promise.reject(closed())
    if (options.transaction !== undefined) return Promise.reject(noTransactions('Redis'))
    return batch.length === 0 ? Promise.resolve({ failures: [] }) : this.#sender.send(batch, options)
  }

  async consume(subscription: Subscription, observer: ConsumerObserver): Promise<Consumer> {
    this.#mustBeOpen()
    const consumer = new RedisConsumer(this.#bus, subscription, observer, (left) => void this.#consumers.delete(left))
    this.#consumers.add(consumer)
    try {
      await sluiced('joining a group', consumer.join())
    } catch (error) {
      this.#consumers.delete(consumer)
      throw error
    }
    this.#heartbeat ??= this.#beat()
    const { channel } = subscription
    this.#mover.watch(channel, () => [...this.#consumers].some((one) => one.channel === channel))
    return consumer
  }

  /** A connection is back after it was lost; `moved`: to another server than before. */
  restored(moved: boolean): void {
    if (this.#closing !== undefined) return
    this.#bus.report('info', 'connected to Redis again')
    this.#bus.resetReaders()
    for (const consumer of this.#consumers) {
      if (moved) consumer.moved()
      else consumer.tick()
    }
    this.#bus.watch.look()
  }

  #beat(): Timer {
    return this.#bus.clock.setTimer(this.#bus.options.leaseMs / 4, () => {
      if (this.#closing !== undefined) return
      this.#heartbeat = this.#beat()
      for (const consumer of this.#consumers) consumer.tick()
      if (++this.#beats % trimEvery === 0) for (const channel of new Set([...this.#consumers].map((one) => one.channel))) void this.#trim(channel)
    })
  }

  async #trim(channel: string): Promise<void> {
    // A narrow ACL user may not trim or ask for memory: then somebody else has to. The next beat tries again.
    await this.#bus.link.run('trim', this.#bus.key(channel), retentionAgeMs, retentionBytes).catch(() => undefined)
  }

  /** For tests: dies as a killed process would. What it held is taken over after its lease. */
  crash(): void {
    this.#closing = Promise.resolve()
    this.#heartbeat?.cancel()
    this.#mover.close()
    for (const consumer of this.#consumers) consumer.crash()
    this.#bus.watch.close()
    this.#reading.close()
    this.#bus.sending.close()
    this.#bus.link.close()
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#heartbeat?.cancel()
    this.#mover.close()
    await this.#sender.drained()
    await Promise.allSettled([...this.#consumers].map((consumer) => consumer.close()))
    this.#bus.watch.close()
    this.#reading.close()
    this.#bus.sending.close()
    this.#bus.link.close()
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw closed()
  }
}
