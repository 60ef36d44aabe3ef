/** Topics and groups: made where they are missing, checked where they are there, never deleted behind anybody's back. */
import { type ChannelDeclaration, type GroupDeclaration, SluiceError, type Topology } from '@sluice/core/transport'
import { check, codes, KafkaError } from './errors.ts'
import { type KafkaBus, report } from './kafka-bus.ts'
import { laterPartitions } from './later/bounds.ts'
import { deleteGroups } from './protocol/requests/groups.ts'
import { createTopics, deleteTopics, earliest, latest, listOffsets, type NewTopic } from './protocol/requests/topics.ts'
import type { ChannelEntry } from './registry/state.ts'
import { partitionOf } from './send/partitioner.ts'
import { checkPartitions, checkSettings, conflict } from './topic-settings.ts'

const patienceMs = 20_000
const timeoutMs = 15_000
/** Of the topic of replies; an instance reads one of them. */
const replyPartitions = 8
const replyKeptMs = 3_600_000
/** What Sluice deletes itself. */
const keptForEver = { 'cleanup.policy': 'delete', 'retention.ms': '-1', 'retention.bytes': '-1' }

/** See the header of this file. */
export class TopologyKeeper {
  readonly #bus: Omit<KafkaBus, 'topology'>
  readonly #restoring: Map<string, Promise<void>> = new Map()

  constructor(bus: Omit<KafkaBus, 'topology'>) {
    this.#bus = bus
  }

  async declare({ channels, groups }: Topology): Promise<void> {
    await this.#bus.registry.sync()
    await this.#topics(channels)
    for (const channel of channels) await this.#channel(channel)
    await Promise.all(groups.map((group) => this.#group(group)))
  }

  /** Forgets a group with its progress, its lot and its dead letters. */
  async removeGroup(channel: string, group: string): Promise<void> {
    const { cluster, names, registry } = this.#bus
    const hasLot = registry.state.group(channel, group)?.hasLot === true
    await registry.append({ op: 'group-gone', channel, group })
    const id = names.group(channel, group)
    const [gone] = await cluster.persist(patienceMs, () => cluster.coordinated('group', id, deleteGroups, { groups: [id] }, () => 0))
    if (gone !== undefined && gone.error !== codes.groupUnknown) check(gone.error, `removing group ${id}`)
    if (hasLot) await this.#deleteTopic(names.lot(channel, group))
  }

  /** Makes a channel's topic anew that somebody deleted, as large as it was, and says so. What was in it is lost. */
  restore(channel: string): Promise<void> {
    let restoring = this.#restoring.get(channel)
    if (restoring === undefined) {
      restoring = this.#restore(channel).finally(() => this.#restoring.delete(channel))
      this.#restoring.set(channel, restoring)
    }
    return restoring
  }

  async #restore(channel: string): Promise<void> {
    const { registry, names, cluster } = this.#bus
    const entry = registry.state.channels.get(channel)
    if (entry === undefined) throw new KafkaError(codes.unknownTopic, 'Metadata')
    const topic = this.#topicOf(entry)
    cluster.forgetLeaders(topic.name)
    const deleted = (name: string): void => report(this.#bus, 'error', `somebody deleted the topic ${name}: it was made anew, and what was only there is lost`)
    if (!(await this.#isThere(topic.name))) {
      await this.#make([topic])
      deleted(topic.name)
    }
    for (const { group, hasLot } of registry.state.groups(channel)) {
      const lot = names.lot(channel, group)
      cluster.forgetLeaders(lot)
      if (hasLot && !(await this.#isThere(lot))) {
        await this.makeLot(channel, group)
        deleted(lot)
      }
    }
  }

  /** Makes the topic of a group's lot, when something is to be put into it for the first time. */
  async makeLot(channel: string, group: string): Promise<void> {
    const { registry, names, options } = this.#bus
    const { partitions } = registry.state.channels.get(channel) as ChannelEntry
    await this.#make([{ name: names.lot(channel, group), partitions, replication: options.replication, configs: keptForEver }])
    await registry.append({ op: 'lot', channel, group })
  }

  /** Makes the topic of delayed messages, when the first one is sent, or when somebody deleted it. */
  async makeLater(): Promise<void> {
    const { registry, names, options, cluster } = this.#bus
    cluster.forgetLeaders(names.later)
    if (registry.state.hasLater && !(await this.#isThere(names.later)))
      report(this.#bus, 'error', `somebody deleted the topic ${names.later}: it was made anew, and what nobody holds of it is lost`)
    await this.#make([{ name: names.later, partitions: laterPartitions, replication: options.replication, configs: keptForEver }])
    if (!registry.state.hasLater) await registry.append({ op: 'later' })
  }

  /** An instance's reply channel goes with it. */
  async removeReplies(channel: string): Promise<void> {
    await this.#bus.registry.append({ op: 'channel-gone', name: channel })
  }

  async #deleteTopic(name: string): Promise<void> {
    const { cluster } = this.#bus
    const [gone] = await cluster.persist(patienceMs, () => cluster.controller(deleteTopics, { names: [name], timeoutMs }))
    cluster.forgetLeaders(name)
    if (gone !== undefined && gone.error !== codes.unknownTopic) check(gone.error, `deleting topic ${name}`)
  }

  /** Makes the topics of channels that nobody declared yet. */
  async #topics(channels: readonly ChannelDeclaration[]): Promise<void> {
    const { registry } = this.#bus
    const known = channels.filter(({ name }) => registry.state.channels.has(name))
    for (const channel of known) if (!(await this.#isThere(this.#topicOf(channel).name))) await this.restore(channel.name)
    for (const { name, kind, partitions } of known.flatMap(({ name }) => registry.state.channels.get(name) ?? [])) {
      const topic = this.#bus.names.channel(name)
      if (kind !== 'reply') checkPartitions(this.#bus, topic, (await this.#bus.cluster.leaders(topic)).length, partitions)
    }
    const fresh = channels.filter((channel) => !known.includes(channel))
    const made = await this.#make([...new Map(fresh.map((channel) => [this.#topicOf(channel).name, this.#topicOf(channel)])).values()])
    for (const channel of fresh) {
      const { name } = this.#topicOf(channel)
      if (!made.includes(name) && channel.kind !== 'reply') await checkSettings(this.#bus, name, channel.retention?.keepForGroups !== false)
    }
  }

  /** The topic that carries a channel; those for replies share one. */
  #topicOf({ name, kind, retention, partitions = this.#bus.options.partitions }: ChannelDeclaration): NewTopic {
    const { names, options } = this.#bus
    if (kind === 'reply') {
      const configs = { 'cleanup.policy': 'delete', 'retention.ms': String(replyKeptMs) }
      return { name: names.replies, partitions: replyPartitions, replication: options.replication, configs }
    }
    // What a group still waits for is not the broker's to delete: Sluice deletes what all have accepted.
    const keep = retention?.keepForGroups !== false
    const bytes = retention?.maxBytes === undefined ? -1 : Math.ceil(retention.maxBytes / partitions)
    const configs = {
      'cleanup.policy': 'delete',
      'retention.ms': String(keep ? -1 : (retention?.maxAgeMs ?? -1)),
      'retention.bytes': String(keep ? -1 : bytes),
    }
    return { name: names.channel(name), partitions, replication: options.replication, configs }
  }

  /** Makes what is missing; resolves to the names of what was. */
  async #make(topics: readonly NewTopic[]): Promise<readonly string[]> {
    const { cluster } = this.#bus
    // One that is there already needs no right to make topics.
    const missing: NewTopic[] = []
    for (const topic of topics) if (!(await this.#isThere(topic.name))) missing.push(topic)
    if (missing.length === 0) return []
    await cluster.persist(patienceMs, async () => {
      for (const { name, error } of await cluster.controller(createTopics, { topics: missing, timeoutMs }))
        if (error !== codes.topicExists) check(error, `making topic ${name}`)
    })
    for (const { name } of missing) await cluster.persist(patienceMs, () => cluster.leaders(name))
    return missing.map(({ name }) => name)
  }

  async #isThere(name: string): Promise<boolean> {
    const { cluster } = this.#bus
    try {
      await cluster.leaders(name)
      return true
    } catch (error) {
      if (error instanceof KafkaError && error.code === codes.unknownTopic) return false
      throw error
    }
  }

  async #channel({ name, kind, partitions: wanted, retention }: ChannelDeclaration): Promise<void> {
    const { registry, cluster, names } = this.#bus
    const known = registry.state.channels.get(name)
    if (known === undefined) {
      const partitions = kind === 'reply' ? partitionOf(Buffer.from(name), replyPartitions) : (await cluster.leaders(names.channel(name))).length
      const nowMs = this.#bus.context.clock.nowMs()
      const outcome = await registry.append({ op: 'channel', name, kind, partitions, nowMs, ...(retention === undefined ? {} : { retention }) })
      if (outcome === 'refused') throw otherKind(name, kind, registry.state.channels.get(name)?.kind ?? kind)
    } else if (known.kind !== kind) throw otherKind(name, kind, known.kind)
    else if (retention !== undefined && JSON.stringify(retention) !== JSON.stringify(known.retention))
      await registry.append({ op: 'channel', name, kind, partitions: known.partitions, retention })
    const { partitions } = registry.state.channels.get(name) as ChannelEntry
    if (kind === 'reply' || wanted === undefined || wanted <= partitions) return
    const few = `topic ${names.channel(name)} has ${partitions} partitions, and ${wanted} were asked for`
    report(
      this.#bus,
      'warn',
      `${few}: it stays as it is`,
      conflict(`${few}: keys would change their place`, `Ask for ${partitions}, or begin a channel of another name with ${wanted}`),
    )
  }

  async #group(declaration: GroupDeclaration): Promise<void> {
    const { registry } = this.#bus
    const { channel: name, group, order, ephemeral, provisional = false } = declaration
    const channel = registry.state.channels.get(name)
    if (channel === undefined) throw new SluiceError('INVALID_OPTION', `group "${group}" belongs to channel "${name}", which was not declared`)
    if (channel.kind === 'reply') return
    if (order === 'channel' && !provisional && channel.partitions > 1)
      throw new SluiceError(
        'GUARANTEE_UNAVAILABLE',
        `group "${group}" wants channel "${name}" in one line, and its topic has ${channel.partitions} partitions`,
        {
          fix: `Declare it with one: channel('${name}', { partitions: 1 }), before its topic is made; or order by key`,
        },
      )
    const known = registry.state.group(name, group)
    if (known !== undefined && (provisional || (!known.provisional && known.order === order))) return
    const { starts, stored } = await this.#starts(channel, declaration.from)
    const outcome = await registry.append({ op: 'group', channel: name, group, order, provisional, ephemeral, starts, stored })
    if (outcome === 'done') return
    throw new SluiceError(
      'CONTRACT_CONFLICT',
      `group "${group}" of channel "${name}" is ordered by ${registry.state.group(name, group)?.order ?? '?'}, and is declared with order ${order}`,
      { fix: 'Use the same order in all members, or remove the group first' },
    )
  }

  async #starts({ name, partitions }: ChannelEntry, from: GroupDeclaration['from']): Promise<{ readonly starts: readonly number[]; readonly stored: number }> {
    const { cluster, names } = this.#bus
    const topic = names.channel(name)
    const at = async (timestampMs: number): Promise<number[]> => {
      const asked = new Map([[topic, Array.from({ length: partitions }, (_, partition) => ({ partition, timestampMs }))]])
      const found = await cluster.persist(patienceMs, () => cluster.atLeaders(asked, listOffsets, (part) => part))
      const offsets: number[] = []
      for (const { partition, offset } of found.get(topic) ?? []) offsets[partition] = offset
      return offsets
    }
    const ends = await at(latest)
    const stored = ends.reduce((sum, end) => sum + end, 0)
    if (from === 'end') return { starts: ends, stored }
    const starts = await at(from === 'start' ? earliest : Math.ceil(from))
    // −1: nothing is as late as that.
    return { starts: starts.map((offset, i) => (offset < 0 ? (ends[i] ?? 0) : offset)), stored }
  }
}

function otherKind(name: string, kind: string, known: string): SluiceError {
  return new SluiceError('CONTRACT_CONFLICT', `channel "${name}" carries ${known}, and is declared to carry ${kind}`, {
    fix: 'Give one of the contracts another channel',
  })
}
