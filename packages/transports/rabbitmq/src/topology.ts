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
import { type Bound, bindAnew, bindingsVersion } from './bindings/bindings.ts'
import { copy, drain } from './consume/drain.ts'
import { partitionPrefetch } from './consume/prefetch.ts'
import { operationError } from './link/errors.ts'
import { type Link, messageCount } from './link/link.ts'
import { makeLive } from './live-queues.ts'
import { type Names, placementOf, powerOfTwo } from './names.ts'
import type { RabbitOptions } from './options.ts'
import type { Registry } from './registry/registry.ts'
import { type GroupEntry, generationsOf, partitionsOf } from './registry/state.ts'
import type { Publisher } from './send/publisher.ts'
import { fromWire } from './wire.ts'

/** Events that no group asked for are kept up to this; then the oldest go. */
const unroutedMax = { 'x-max-length': 100_000, 'x-max-length-bytes': 256 * 1024 * 1024, 'x-overflow': 'drop-head' }

/** The queue of an instance's own group goes when nobody has consumed it for so long, ms. */
const ephemeralMs = 30_000

/**
 * Delayed messages beyond those that one process holds (delayed-messages.ts), which the server does not count here: then a
 * delayed send waits, and fails at its time-out.
 */
const delayedMax = { 'x-max-length': 10_000, 'x-overflow': 'reject-publish' }

/** See the header of this file. */
export class TopologyKeeper {
  readonly #publishing: Link
  readonly #link: Link
  readonly #publisher: Publisher
  readonly #registry: Registry
  readonly #names: Names
  readonly #options: RabbitOptions
  readonly #clock: Clock
  /** Queues that are known to be as they should. */
  readonly #checked: Set<string> = new Set()

  constructor(publishing: Link, link: Link, publisher: Publisher, registry: Registry, names: Names, options: RabbitOptions, clock: Clock) {
    this.#clock = clock
    this.#publishing = publishing
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
    if (known !== undefined) await this.#checkChannel(name)
    if (known !== undefined && known.kind === kind && known.partitions >= wanted) return
    if (known === undefined) await this.#makeChannel(name)
    if ((await this.#registry.append({ op: 'channel', name, kind, partitions: wanted })) === 'refused')
      throw kindConflict(name, this.#registry.state.channels.get(name)?.kind, kind)
  }

  async #makeChannel(name: string): Promise<void> {
    const what = `declare channel "${name}"`
    const [unrouted, delayed] = [this.#names.unrouted(name), this.#names.delayed(name)]
    await this.#make(
      what,
      new Map([
        [unrouted, this.#exclusiveQueue(unroutedMax)],
        [delayed, this.#exclusiveQueue(delayedMax)],
      ]),
      () => this.#registry.state.channels.has(name),
    )
    await this.ask(what, async (channel) => {
      await channel.assertExchange(unrouted, 'fanout', { durable: true })
      await this.#assertExchange(channel, name)
      await channel.bindQueue(unrouted, unrouted, '')
    })
  }

  #assertExchange(on: Channel, channel: string): Promise<unknown> {
    return on.assertExchange(this.#names.exchange(channel), 'topic', { durable: true, alternateExchange: this.#names.unrouted(channel) })
  }

  /** What others made is as we would make it, and its groups are bound as we would bind them: else what we send finds no queue. */
  async #checkChannel(name: string): Promise<void> {
    const what = `declare channel "${name}"`
    await this.#check(what, this.#names.unrouted(name), this.#exclusiveQueue(unroutedMax), (on) => this.#assertExchange(on, name))
    for (const entry of this.#registry.state.groups(name)) {
      const { channel, group, growth, bindings = 0 } = entry
      if (growth !== undefined || bindings >= bindingsVersion) continue
      await this.bind(entry)
      await this.#registry.append({ op: 'bindings', channel, group, version: bindingsVersion })
    }
  }

  /** Once a process: TOPOLOGY_CONFLICT if it has other arguments. One that was deleted is made again by whoever consumes it. */
  async #check(what: string, queue: string, settings: Options.AssertQueue, more?: (on: Channel) => Promise<unknown>): Promise<void> {
    if (this.#checked.has(queue) || (await messageCount(this.#link, queue)) === undefined) return
    await this.ask(what, (on) => Promise.all([on.assertQueue(queue, settings), more?.(on)]))
    this.#checked.add(queue)
  }

  /** A group's queues, bound; what waits unrouted goes to the first group of a channel that wants it. */
  async group(declaration: GroupDeclaration): Promise<GroupEntry> {
    const { channel, group, order, ephemeral, from } = declaration
    const provisional = declaration.provisional === true
    const place = this.#registry.state.channels.get(channel)
    if (place === undefined) throw new SluiceError('INVALID_OPTION', `group "${group}" belongs to channel "${channel}", which was not declared`)
    const known = this.#registry.state.group(channel, group)
    if (known !== undefined && (provisional || (!known.provisional && known.order === order))) {
      if (!known.ephemeral)
        await this.#check(`declare group "${group}"`, this.#names.partition(channel, group, partitionName(0, known.partitions)), this.#exclusiveQueue())
      return known
    }
    // A provisional group keeps everything in one line, so that its first member may still want any order.
    const wanted = order === 'channel' || ephemeral ? 1 : place.partitions
    const partitions = provisional ? 1 : wanted
    let hasBefore = false
    if (known === undefined) {
      const isFirst = this.#registry.state.groups(channel).length === 0
      await this.#makeQueues(declaration, partitions, () => this.#registry.state.group(channel, group) !== undefined)
      await this.bind({ channel, group, order, partitions, bindings: bindingsVersion })
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
        bindings: bindingsVersion,
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
    await this.#makeQueues(entry, entry.partitions, () => true)
    await this.bind(entry)
  }

  /** Binds the queues of a group's partitions, as this version does. */
  async bind(entry: Bound & Pick<GroupEntry, 'partitions' | 'bindings'>): Promise<void> {
    await this.ask(`declare group "${entry.group}"`, async (on) => {
      await this.#assertExchange(on, entry.channel)
      await bindAnew(on, this.#names, entry)
    })
  }

  /** Queues of the partitions that a group is about to have, bound to nothing. */
  async makeGrowth(entry: GroupEntry, partitions: number): Promise<void> {
    const { channel, group } = entry
    await this.#makeQueues(entry, partitions, () => this.#registry.state.group(channel, group)?.growth?.bound !== false)
  }

  /** Queue of what was there before a partition that a group is about to have, made when there is something. */
  async before(channel: string, group: string, partition: string): Promise<void> {
    const isThere = (): boolean => this.#registry.state.group(channel, group)?.growth?.befores.includes(partition) === true
    if (isThere()) return
    await this.#make('change the partitions of a group', new Map([[this.#names.before(channel, group, partition), this.#exclusiveQueue()]]), isThere)
    if ((await this.#registry.append({ op: 'before', channel, group, partition })) === 'refused')
      throw new SluiceError('TRANSPORT_FAILED', `RabbitMQ: the partitions of group "${group}" have changed already`)
  }

  /** Takes away what led from a group's queues of so many partitions to the next ones. */
  async removePassage({ channel, group }: Pick<GroupEntry, 'channel' | 'group'>, partitions: number): Promise<void> {
    await this.ask('change the partitions of a group', async (on) => {
      for (const exchange of [this.#names.passage(channel, group, partitions), this.#names.beyond(channel, group, partitions)])
        await on.deleteExchange(exchange)
    })
  }

  /** Whether there is such a queue, with a message in it that nobody holds. */
  async holdsSomething(queue: string): Promise<boolean> {
    return ((await messageCount(this.#link, queue)) ?? 0) > 0
  }

  /** Takes queues away that were emptied and are bound to nothing. (A quorum queue knows no `if-empty`; it ends the connection over it.) */
  async removeEmpty(queues: readonly string[]): Promise<void> {
    for (const queue of queues) if ((await messageCount(this.#link, queue)) === 0) await this.ask('remove an empty queue', (on) => on.deleteQueue(queue))
  }

  /** A partition's parking lot, made when it is first needed. */
  async lot(channel: string, group: string, partition: string): Promise<void> {
    const isThere = (): boolean => this.#registry.state.group(channel, group)?.lots.includes(partition) === true
    if (isThere()) return
    await this.#make('declare a parking lot', new Map([[this.#names.lot(channel, group, partition), this.#exclusiveQueue()]]), isThere)
    await this.#registry.append({ op: 'lot', channel, group, partition })
  }

  /** A group's dead letters, made when there is one. */
  async dead(channel: string, group: string): Promise<void> {
    const isThere = (): boolean => this.#registry.state.group(channel, group)?.hasDead === true
    if (isThere()) return
    await this.#make('declare a queue of dead letters', new Map([[this.#names.dead(channel, group), this.#exclusiveQueue()]]), isThere)
    await this.#registry.append({ op: 'dead-letters', channel, group })
  }

  /** Takes a group away with all it holds. */
  async removeGroup(entry: GroupEntry): Promise<void> {
    const { channel, group } = entry
    await this.#registry.append({ op: 'group-gone', channel, group })
    await this.ask('remove a group', async (on) => {
      for (const count of generationsOf(entry))
        for (const partition of partitionsOf(entry, count)) for (const queue of this.#names.allOf(channel, group, partition)) await on.deleteQueue(queue)
      await on.deleteQueue(this.#names.dead(channel, group))
    })
    for (const count of generationsOf(entry)) if (count !== entry.partitions || entry.growth !== undefined) await this.removePassage(entry, count)
  }

  /** Queues that live. They are bound only then: what is published from there on is in them. */
  async #makeQueues(
    { channel, group, ephemeral }: Pick<GroupDeclaration, 'channel' | 'group' | 'ephemeral'>,
    partitions: number,
    isUsed: () => boolean,
  ): Promise<void> {
    const what = `declare group "${group}"`
    const queues = Array.from({ length: partitions }, (_, index) => this.#names.partition(channel, group, partitionName(index, partitions)))
    const settings = ephemeral ? { ...this.#exclusiveQueue({}, 'classic'), expires: ephemeralMs } : this.#exclusiveQueue()
    await this.#make(what, new Map(queues.map((queue) => [queue, settings])), isUsed)
  }

  /** Queues of what came before a group's present partitions; nothing is bound to them. */
  async #makeBefores({ channel, group }: Pick<GroupDeclaration, 'channel' | 'group'>, partitions: number, isUsed: () => boolean): Promise<void> {
    const queues = Array.from({ length: partitions }, (_, index) => this.#names.before(channel, group, partitionName(index, partitions)))
    await this.#make(`declare group "${group}"`, new Map(queues.map((queue) => [queue, this.#exclusiveQueue()])), isUsed)
  }

  /** Declares queues, each on a channel of its own, that live. `isUsed`: whether the registry names them already. */
  async #make(what: string, queues: ReadonlyMap<string, Options.AssertQueue>, isUsed: () => boolean): Promise<void> {
    const isQuorum = [...queues.values()].some((settings) => settings.arguments?.['x-queue-type'] === 'quorum')
    const declare = (): Promise<unknown> => Promise.all([...queues].map(([queue, settings]) => this.ask(what, (on) => on.assertQueue(queue, settings))))
    if (!isQuorum) {
      await declare()
      return
    }
    await makeLive({
      link: this.#publishing,
      clock: this.#clock,
      queues: [...queues.keys()],
      declare,
      isUsed: async () => {
        await this.#registry.sync()
        return isUsed()
      },
      remove: (queue) => this.ask(what, (on) => on.deleteQueue(queue)),
    })
  }

  /** What waited for a first group is moved to queues that its owners read first. */
  async #adoptUnrouted({ channel, group }: GroupDeclaration, order: GroupOrder, partitions: number): Promise<void> {
    const home = { link: this.#link, publisher: this.#publisher, clock: this.#clock }
    await this.#makeBefores({ channel, group }, partitions, () => this.#registry.state.group(channel, group) !== undefined)
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
  #exclusiveQueue(more: Readonly<Record<string, unknown>> = {}, type: 'quorum' | 'classic' = this.#options.queues): Options.AssertQueue {
    return { durable: true, arguments: { 'x-queue-type': type, 'x-single-active-consumer': true, ...more } }
  }

  /** Requests on a channel of their own; rejects as {@link operationError} says. */
  async ask<T>(what: string, request: (channel: Channel) => Promise<T>): Promise<T> {
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
