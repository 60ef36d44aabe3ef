import { type Envelope, type GroupOrder, keyHash } from '@sluice/core/transport'
import { partitionsMax } from './options.ts'

const bits = Math.log2(partitionsMax)

/** Names of the exchanges and queues of one bus in its virtual host. A name of a channel or group keeps no slash. */
export class Names {
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** The stream in which all members agree on channels, groups, members and schedules. */
  get registry(): string {
    return `${this.#prefix}/registry`
  }

  /** Topic exchange of a channel. */
  exchange(channel: string): string {
    return `${this.#prefix}/${word(channel)}`
  }

  /** Where the messages of a channel go that no group asked for. */
  unrouted(channel: string): string {
    return `${this.#prefix}/${word(channel)}/unrouted`
  }

  /** Where the delayed messages of a channel wait. */
  delayed(channel: string): string {
    return `${this.#prefix}/${word(channel)}/delayed`
  }

  /** Queue of one partition of a group. */
  partition(channel: string, group: string, partition: string): string {
    return `${this.#prefix}/${word(channel)}/${word(group)}/${partition.replace('/', 'of')}`
  }

  /** What was of a partition before the group's partitions changed, and comes first. */
  before(channel: string, group: string, partition: string): string {
    return `${this.partition(channel, group, partition)}/before`
  }

  /** A partition's parking lot. */
  lot(channel: string, group: string, partition: string): string {
    return `${this.partition(channel, group, partition)}/lot`
  }

  /** All queues that a partition may have. */
  allOf(channel: string, group: string, partition: string): readonly string[] {
    return [this.partition(channel, group, partition), this.before(channel, group, partition), this.lot(channel, group, partition)]
  }

  /** A group's dead letters. */
  dead(channel: string, group: string): string {
    return `${this.#prefix}/${word(channel)}/${word(group)}/dead`
  }

  /** Queue of one member process. */
  instance(instanceId: string): string {
    return `${this.#prefix}/member/${word(instanceId)}`
  }

  /** An instance's reply channel. */
  reply(channel: string): string {
    return `${this.#prefix}/reply/${word(channel)}`
  }
}

const word = (name: string): string => encodeURIComponent(name).slice(0, 150)

/**
 * `type`, then the bits of the hash of the message's id, then those of its key (or again its id), highest first. A group
 * with 8 partitions binds the last three; a person who wants one type binds `shop.order.placed.#`.
 */
export function routingKey(envelope: Envelope): string {
  const id = keyHash(envelope.id)
  const key = envelope.partitionkey === undefined ? id : keyHash(envelope.partitionkey)
  let text = Buffer.byteLength(envelope.type) > 220 ? 'long' : envelope.type
  for (const hash of [id, key]) for (let bit = bits - 1; bit >= 0; bit--) text += (hash >>> bit) & 1 ? '.1' : '.0'
  return text
}

/** How the queue of a partition is bound to its channel's exchange. */
export function bindingKey(order: GroupOrder, index: number, partitions: number): string {
  let text = '#'
  for (let bit = Math.log2(partitions) - 1; bit >= 0; bit--) text += (index >>> bit) & 1 ? '.1' : '.0'
  return order === 'none' && partitions > 1 ? `${text}${'.*'.repeat(bits)}` : text
}

/** What places a message in a partition of a group. */
export function placementOf(envelope: Envelope, order: GroupOrder): string {
  return order === 'key' ? (envelope.partitionkey ?? envelope.id) : envelope.id
}

/** The smallest power of two that is not below. */
export function powerOfTwo(count: number): number {
  return Math.min(partitionsMax, 2 ** Math.ceil(Math.log2(Math.max(1, count))))
}
