/** Exchanges and queues: made where they are missing, checked where they are there, never deleted behind anybody's back. */
import {
  type ChannelDeclaration,
  type Clock,
  type GroupDeclaration,
  type GroupOrder,
  partitionIndex,
  partitionName,
  SluiceError,
  type Topology,
} from '@sluice/core/transport'
import type { Channel, Options } from 'amqplib'
import { copy, drain } from './consume/drain.ts'
import { partitionPrefetch } from './consume/prefetch.ts'
import { operationError } from './link/errors.ts'
import { type Link, messageCount } from './link/link.ts'
import { bindingKeys, type Names, placementOf, powerOfTwo } from './names.ts'
import type { RabbitOptions } from './options.ts'
import type { Registry } from './registry/registry.ts'
import { type GroupEntry, generationsOf, partitionsOf } from './registry/state.ts'
import type { Publisher } from './send/publisher.ts'
import { fromWire } from './wire.ts'

/** Events that no group asked for are kept up to this; then the oldest go. */
const unroutedMax = { 'x-max-length': 100_000, 'x-max-length-bytes': 256 * 1024 * 1024 }

/** From the routing of a message to its arrival in the queue, at most, ms. */
const settleMs = 1_000

/**
 * Delayed messages beyond those that one process holds (delayed-messages.ts), which the server does not count here: then a
 * delayed send waits, and fails at its time-out.
 */
const delayedMax = { 'x-max-length': 10_000, 'x-overflow': 'reject-publish' }

/** See the header of this file. */
export class TopologyKeeper {
  readonly #link: Link
  readonly #publisher: Publisher
  readonly #registry: Registry
  readonly #names: Names
  readonly #options: RabbitOptions
  readonly #clock: Clock

  constructor(link: Link, publisher: Publisher, registry: Registry, names: Names, options: RabbitOptions, clock: Clock) {
    this.#clock = clock
    this.#link = link
    this.#publisher = publisher
    this.#registry = registry
    this.#names = names
    this.#options = options
  }

  async declare({ channels, groups }: Topology): Promise<void> {
    await Promise.all(channels.map((channel) => this.channel(channel)))
    // An instance's reply channel is made by whoever consumes it, and nobody else declares a group of it.
    const replies = new Set(channels.filter(({ kind }) => kind === 'reply').map(({ name }) => name))
    await Promise.all(groups.filter(({ channel }) => !replies.has(channel)).map((group) => this.group(group)))
  }

  /** A channel's exchange, and the queue of what nobody asked for. */
  async channel({ name, kind, partitions }: ChannelDeclaration): Promise<void> {
    if (kind === 'reply') return
    const known = this.#registry.state.channels.get(name)
    // Whoever names no number wants what is there.
    const wanted = powerOfTwo(partitions ?? known?.partitions ?? this.#options.partitions)
    if (known !== undefined && known.kind === kind && known.partitions >= wanted) return
    if (known === undefined)
      await this.#ask(`declare channel "${name}"`, async (channel) => {
        const unrouted = this.#names.unrouted(name)
        const { arguments: single, ...durable } = this.#exclusiveQueue()
        await channel.assertExchange(unrouted, 'fanout', { durable: true })
        await channel.assertExchange(this.#names.exchange(name), 'topic', { durable: true, alternateExchange: unrouted })
        await channel.assertQueue(unrouted, { ...durable, arguments: { ...single, ...unroutedMax, 'x-overflow': 'drop-head' } })
        await channel.bindQueue(unrouted, unrouted, '')
        await channel.assertQueue(this.#names.delayed(name), { ...durable, arguments: { ...single, ...delayedMax } })
      })
    if ((await this.#registry.append({ op: 'channel', name, kind, partitions: wanted })) === 'refused')
      throw kindConflict(name, this.#registry.state.channels.get(name)?.kind, kind)
  }

  /** A group's queues, bound; what waits unrouted goes to the first group of a channel that wants it. */
  async group(declaration: GroupDeclaration): Promise<GroupEntry> {
    const { channel, group, order, ephemeral, from } = declaration
    const provisional = declaration.provisional === true
    const place = this.#registry.state.channels.get(channel)
    if (place === undefined) throw new SluiceError('INVALID_OPTION', `group "${group}" belongs to channel "${channel}", which was not declared`)
    const known = this.#registry.state.group(channel, group)
    if (known !== undefined && (provisional || (!known.provisional && known.order === order))) return known
    // A provisional group keeps everything in one line, so that its first member may still want any order.
    const wanted = order === 'channel' || ephemeral ? 1 : place.partitions
    const partitions = provisional ? 1 : wanted
    let hasBefore = false
    if (known === undefined) {
      const isFirst = this.#registry.state.groups(channel).length === 0
      await this.#makeQueues(declaration, order, partitions)
      // Queues that are bound take what is new: only what came before goes elsewhere.
      hasBefore = isFirst && from !== 'end' && (await this.#unroutedCount(channel)) > 0
      if (hasBefore) await this.#adoptUnrouted(declaration, order, partitions)
    }
    if (
      (await this.#registry.append({
        op: 'group',
        channel,
        group,
        order,
        provisional,
        ephemeral,
        partitions: known === undefined ? partitions : wanted,
        hasBefore,
        nowMs: this.#clock.nowMs(),
      })) === 'refused'
    ) {
      const is = this.#registry.state.group(channel, group)?.order
      throw new SluiceError('CONTRACT_CONFLICT', `group "${group}" of channel "${channel}" is ordered by ${is}, and is declared with order ${order}`, {
        fix: 'Use the same order in all members, or remove the group first',
      })
    }
    return this.#registry.state.group(channel, group) as GroupEntry
  }

  /** Makes queues of a group again that somebody deleted. */
  async remake(entry: GroupEntry): Promise<void> {
    await this.#makeQueues(entry, entry.order, entry.partitions)
  }

  /** Binds the queues of a group's new partitions, and takes the old ones off the exchange: what comes from now on is new. */
  async bindGrowth(entry: GroupEntry): Promise<void> {
    const { channel, group, order, growth, partitions } = entry
    if (growth === undefined) return
    await this.#makeQueues(entry, order, growth.partitions)
    await this.#ask('change the partitions of a group', async (on) => {
      for (let index = 0; index < growth.partitions; index++)
        await on.assertQueue(this.#names.before(channel, group, partitionName(index, growth.partitions)), this.#exclusiveQueue())
      const exchange = this.#names.exchange(channel)
      for (let index = 0; index < partitions; index++)
        for (const key of bindingKeys(order, index, partitions))
          await on.unbindQueue(this.#names.partition(channel, group, partitionName(index, partitions)), exchange, key)
    })
    // A message is routed first and stored a moment later: what was routed by the old bindings must have arrived.
    await new Promise<void>((resolve) => void this.#clock.setTimer(settleMs, resolve))
    await this.#registry.append({ op: 'bound', channel, group, partitions: growth.partitions })
  }

  /** Whether there is such a queue, with a message in it that nobody holds. */
  async holdsSomething(queue: string): Promise<boolean> {
    return ((await messageCount(this.#link, queue)) ?? 0) > 0
  }

  /** Takes queues away that were emptied and are bound to nothing. (A quorum queue knows no `if-empty`; it ends the connection over it.) */
  async removeEmpty(queues: readonly string[]): Promise<void> {
    for (const queue of queues) if ((await messageCount(this.#link, queue)) === 0) await this.#ask('remove an empty queue', (on) => on.deleteQueue(queue))
  }

  /** A partition's parking lot, made when it is first needed. */
  async lot(channel: string, group: string, partition: string): Promise<void> {
    if (this.#registry.state.group(channel, group)?.lots.includes(partition) === true) return
    await this.#ask('declare a parking lot', (on) => on.assertQueue(this.#names.lot(channel, group, partition), this.#exclusiveQueue()))
    await this.#registry.append({ op: 'lot', channel, group, partition })
  }

  /** A group's dead letters, made when there is one. */
  async dead(channel: string, group: string): Promise<void> {
    if (this.#registry.state.group(channel, group)?.hasDead === true) return
    await this.#ask('declare a queue of dead letters', (on) => on.assertQueue(this.#names.dead(channel, group), this.#exclusiveQueue()))
    await this.#registry.append({ op: 'dead-letters', channel, group })
  }

  /** Takes a group away with all it holds. */
  async removeGroup(entry: GroupEntry): Promise<void> {
    const { channel, group } = entry
    await this.#registry.append({ op: 'group-gone', channel, group })
    await this.#ask('remove a group', async (on) => {
      for (const count of generationsOf(entry))
        for (const partition of partitionsOf(entry, count)) for (const queue of this.#names.allOf(channel, group, partition)) await on.deleteQueue(queue)
      await on.deleteQueue(this.#names.dead(channel, group))
    })
  }

  async #makeQueues(
    { channel, group, ephemeral }: Pick<GroupDeclaration, 'channel' | 'group' | 'ephemeral'>,
    order: GroupOrder,
    partitions: number,
  ): Promise<void> {
    const { queues } = this.#options
    const quickly = ephemeral ? { exclusive: false, durable: true, expires: 30_000 } : {}
    await Promise.all(
      Array.from({ length: partitions }, (_, index) => partitionName(index, partitions)).map((partition, index) =>
        this.#ask(`declare group "${group}"`, async (on) => {
          const queue = this.#names.partition(channel, group, partition)
          await on.assertQueue(queue, { ...this.#exclusiveQueue(ephemeral ? 'classic' : queues), ...quickly })
          await Promise.all(bindingKeys(order, index, partitions).map((key) => on.bindQueue(queue, this.#names.exchange(channel), key)))
        }),
      ),
    )
  }

  /** What waited for a first group is moved to queues that its owners read first. */
  async #adoptUnrouted({ channel, group }: GroupDeclaration, order: GroupOrder, partitions: number): Promise<void> {
    const home = { link: this.#link, publisher: this.#publisher, clock: this.#clock }
    await this.#ask('declare a group', async (on) => {
      for (let index = 0; index < partitions; index++)
        await on.assertQueue(this.#names.before(channel, group, partitionName(index, partitions)), this.#exclusiveQueue())
    })
    await drain(home, this.#names.unrouted(channel), partitionPrefetch, async (message) => {
      const { envelope } = fromWire(message, this.#clock.nowMs())
      const index = partitions === 1 ? 0 : partitionIndex(placementOf(envelope, order), partitions)
      await copy(this.#publisher, this.#names.before(channel, group, partitionName(index, partitions)), message)
      return true
    })
  }

  async #unroutedCount(channel: string): Promise<number> {
    return (await messageCount(this.#link, this.#names.unrouted(channel))) ?? 0
  }

  /** A queue with one active consumer: what the broker's own lock is here. */
  #exclusiveQueue(type: 'quorum' | 'classic' = this.#options.queues): Options.AssertQueue {
    return { durable: true, arguments: { 'x-queue-type': type, 'x-single-active-consumer': true } }
  }

  async #ask<T>(what: string, request: (channel: Channel) => Promise<T>): Promise<T> {
    try {
      return await this.#link.askApart(request)
    } catch (error) {
      throw operationError(error, what)
    }
  }
}

function kindConflict(name: string, is: string | undefined, wanted: string): SluiceError {
  return new SluiceError('CONTRACT_CONFLICT', `channel "${name}" carries ${is}, and is declared to carry ${wanted}`, {
    fix: 'Give one of the contracts another channel',
  })
}
