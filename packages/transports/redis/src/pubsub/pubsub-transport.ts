/**
 * `redis+pubsub:`: Redis publish/subscribe. A message reaches the instances that are connected when it is published, and
 * nobody else; nothing is stored, confirmed or given again. Broadcast, and nothing but broadcast.
 */
import {
  type ChannelStatus,
  type Consumer,
  type ConsumerObserver,
  type GroupStatus,
  noTransactions,
  type OutgoingMessage,
  SendCall,
  type SendOptions,
  type SendReport,
  SluiceError,
  type Subscription,
  type Topology,
  type Transport,
  type TransportAdmin,
  type TransportContext,
  type TransportFacts,
  toStructured,
} from '@sluice/core/transport'
import { closed, connectError, serverError, sluiced, toSluice } from '../errors.ts'
import { channelKey } from '../keys.ts'
import { openLink } from '../open-link.ts'
import { type RedisOptions, redisOptions, redisTarget } from '../options.ts'
import { Commands } from '../resp/command.ts'
import type { Link } from '../resp/link.ts'
import { RedisError, type Reply, readReply } from '../resp/reply.ts'
import { checkVersion, messageBytesMax, readVersion } from '../server.ts'
import { Listener } from './listener.ts'
import { Subscriber } from './subscriber.ts'

const streams = 'redis: (Streams), which keeps messages and has broadcast, too'

export class PubSubTransport implements Transport {
  readonly facts: TransportFacts
  readonly admin: TransportAdmin
  readonly #context: TransportContext
  readonly #options: RedisOptions
  readonly #link: Link
  readonly #subscriber: Subscriber
  readonly #listeners: Set<Listener> = new Set()
  readonly #sending: Set<Promise<unknown>> = new Set()
  #closing: Promise<void> | undefined

  private constructor(context: TransportContext, options: RedisOptions, link: Link, subscriber: Subscriber, version: string) {
    this.#context = context
    this.#options = options
    this.#link = link
    this.#subscriber = subscriber
    this.facts = factsOf(version)
    this.admin = this.#administration()
  }

  static async open(url: string, context: TransportContext): Promise<PubSubTransport> {
    const options = redisOptions(url, context)
    const target = redisTarget(url, context, options)
    let link: Link | undefined
    try {
      const restored = (): void => context.report({ level: 'info', message: 'connected to Redis again' })
      link = await openLink(target, context, { suffix: '', restored })
      const version = await readVersion(link)
      checkVersion(version)
      return new PubSubTransport(context, options, link, await Subscriber.open(target, context), version)
    } catch (error) {
      link?.close()
      throw connectError(error, target.shown)
    }
  }

  /** Nothing is created: a channel is there while somebody listens. What would have to be kept is refused. */
  async declare({ channels, groups }: Topology): Promise<void> {
    this.#mustBeOpen()
    for (const { name, kind } of channels) if (kind !== 'events') throw refused(`channel ${name} carries commands or requests`)
    for (const { channel, group, ephemeral } of groups)
      if (!ephemeral) throw refused(`group ${group} of ${channel} must get what was published before it listens`)
  }

  async send(batch: readonly OutgoingMessage[], options: SendOptions = {}): Promise<SendReport> {
    this.#mustBeOpen()
    if (options.transaction !== undefined) throw noTransactions('Redis')
    const call = new SendCall(batch.length)
    const commands = new Commands()
    const sent: number[] = []
    batch.forEach((message, index) => {
      if (message.sizeBytes > messageBytesMax) {
        call.failed(
          index,
          'failed',
          new SluiceError('MESSAGE_TOO_LARGE', `the message has ${message.sizeBytes} bytes, and ${messageBytesMax} are allowed`),
          false,
        )
        return
      }
      commands.add('PUBLISH', this.#name(message.channel), toStructured(message.envelope))
      sent.push(index)
    })
    if (sent.length > 0) {
      const publishing = this.#publish(commands, call, batch, sent)
      this.#sending.add(publishing)
      void publishing.finally(() => this.#sending.delete(publishing))
    }
    return call.report
  }

  async #publish(commands: Commands, call: SendCall, batch: readonly OutgoingMessage[], sent: readonly number[]): Promise<void> {
    try {
      const replies = await this.#link.call(commands, (source) => sent.map((): Reply => readReply(source)))
      sent.forEach((index, i) => {
        const reply = replies[i]
        if (reply instanceof RedisError) {
          const { error, retryable } = serverError(reply)
          call.failed(index, 'failed', error, retryable)
        } else if (reply === 0 && batch[index]?.rejectUnrouted === true) {
          call.failed(index, 'failed', new SluiceError('UNROUTED', 'nobody listens to this channel now'), false)
        } else call.confirmed()
      })
    } catch (error) {
      for (const index of sent) call.failed(index, 'unknown', toSluice(error, 'publishing'), true)
    }
  }

  async consume(subscription: Subscription, observer: ConsumerObserver): Promise<Consumer> {
    await this.declare({ channels: [{ name: subscription.channel, kind: subscription.kind }], groups: [subscription] })
    const name = this.#name(subscription.channel)
    const listener = new Listener(this.#context, subscription, observer, (left) => {
      this.#listeners.delete(left)
      this.#subscriber.unsubscribe(name, left.heard)
    })
    this.#listeners.add(listener)
    listener.begin()
    try {
      await sluiced('subscribing', this.#subscriber.subscribe(name, listener.heard))
    } catch (error) {
      await listener.close()
      throw error
    }
    return listener
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#sending)
    for (const listener of this.#listeners) await listener.close()
    this.#subscriber.close()
    this.#link.close()
  }

  #name(channel: string): string {
    return channelKey(this.#options.prefix, channel)
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw closed()
  }

  /** What of administration there is: who listens here. */
  #administration(): TransportAdmin {
    const cannot = (): Promise<never> => Promise.reject(refused('that needs messages that are kept'))
    return {
      groups: (channel) => Promise.resolve([...this.#listeners].filter((one) => channel === undefined || one.channel === channel).map(statusOf)),
      channels: () => sluiced('administration', this.#channels()),
      deadLetters: () => Promise.resolve([]),
      schedules: () => Promise.resolve([]),
      cancel: () => Promise.resolve(false),
      removeSchedule: () => Promise.resolve(false),
      removeGroup: cannot,
      setPaused: cannot,
      replay: cannot,
      purge: cannot,
      redrive: cannot,
      discard: cannot,
      browse: cannot,
      putSchedule: cannot,
      fireSchedule: cannot,
    }
  }

  // Those that somebody listens to now, anywhere.
  async #channels(): Promise<readonly ChannelStatus[]> {
    this.#mustBeOpen()
    const start = `${this.#options.prefix}{`
    const names = (await this.#link.command('PUBSUB', 'CHANNELS', `${start.replace(/[[\]*?\\]/g, '\\$&')}*`)) as readonly string[]
    return names.map((name) => ({ channel: name.slice(start.length, -1), kind: 'events', stored: 0, kept: 0, unrouted: 0, scheduled: 0 }))
  }
}

function statusOf(listener: Listener): GroupStatus {
  const { channel, group, backlog, inFlight } = listener
  return { channel, group, backlog, oldestAgeMs: 0, inFlight, deadLetters: 0, parkedLanes: 0, suspendedLanes: 0, consumers: 1, paused: false }
}

function refused(why: string): SluiceError {
  return new SluiceError('UNSUPPORTED', `Redis publish/subscribe keeps nothing for who is not there, and ${why}`, { fix: `Route it to ${streams}` })
}

function factsOf(version: string): TransportFacts {
  return {
    name: 'redis+pubsub',
    serverVersion: `Redis ${version}`,
    confirm: 'none',
    settlement: 'connection',
    settlementConfirmed: false,
    handlingMsMax: Number.POSITIVE_INFINITY,
    takeOverMs: Number.POSITIVE_INFINITY,
    keyOrder: 'key',
    partitions: 'growing',
    publishOrder: 'kept',
    parkingLot: 'none',
    attempts: 'none',
    delayedSend: { delayMsMax: 0, keyed: false },
    schedules: false,
    fanOut: 'transport',
    broadcast: true,
    lateGroup: 'end',
    replay: false,
    filter: 'client',
    deduplicationMsMax: 0,
    backlog: 'none',
    presence: false,
    priority: false,
    groupConcurrency: false,
    transaction: 'none',
    atMostOnce: { instead: streams },
    messageBytesMax,
    notes: ['Publish/subscribe tells those who are connected now: a message published while an instance reconnects does not come to it.'],
  }
}
