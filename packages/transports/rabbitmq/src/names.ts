import { type Envelope, type GroupOrder, keyHash } from '@sluice/core/transport'
import { partitionsMax } from './options.ts'

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

  /** Exclusive to the connection that declares the registry, while it does. */
  get registryLock(): string {
    return `${this.registry}/lock`
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

  /** While a group's partitions change: leads to those of before, and where they let go, to the exchange {@link beyond}. */
  passage(channel: string, group: string, partitions: number): string {
    return `${this.#prefix}/${word(channel)}/${word(group)}/from${partitions}`
  }

  /** Behind the {@link passage} from so many partitions: leads to the new ones. */
  beyond(channel: string, group: string, partitions: number): string {
    return `${this.passage(channel, group, partitions)}/beyond`
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
 * The type as one word, then three numbers: the three low and the three high bits of the hash of the message's key (or of its
 * id), and six bits of that of its id: `shop/order/placed.6.3.41`. A person who wants one type binds `shop/order/placed.#`.
 * Four words and no `#` in our own bindings, because the server looks up three edges for each word on each way through the
 * bindings, and tries each ending of the key on a `#`: that was half of what publishing cost it.
 */
export function routingKey(envelope: Envelope): string {
  const id = keyHash(envelope.id)
  const key = envelope.partitionkey === undefined ? id : keyHash(envelope.partitionkey)
  return `${typeWord(envelope.type)}.${key % 8}.${(key >>> 3) % 8}.${id % partitionsMax}`
}

/** The type in a routing key. */
function typeWord(type: string): string {
  return Buffer.byteLength(type) > 220 ? 'long' : type.replaceAll('.', '/')
}

const routingNumbers = /\.[0-7]\.[0-7]\.\d\d?$/

/** The type that a routing key says: of ours, or of a stranger who writes it as it is. */
export function typeOf(routingKey: string): string {
  const word = routingKey.replace(routingNumbers, '')
  return word === routingKey ? word : word.replaceAll('/', '.')
}

/** How the queue of a partition is bound to its channel's exchange: by one to 64 keys. */
export function bindingKeys(order: GroupOrder, index: number, partitions: number): readonly string[] {
  if (partitions === 1) return ['#']
  const values = (count: number, among: number, wanted: number): number[] =>
    Array.from({ length: count }, (_, value) => value).filter((value) => value % among === wanted)
  if (order === 'none') return values(partitionsMax, partitions, index).map((id) => `*.*.*.${id}`)
  if (partitions <= 8) return values(8, partitions, index).map((low) => `*.${low}.*.*`)
  return values(8, partitions / 8, index >>> 3).map((high) => `*.${index % 8}.${high}.*`)
}

/** As {@link bindingKeys}, when the numbers of a routing key stood in reverse. Of one partition it has not changed. */
export function formerBindingKeys(order: GroupOrder, index: number, partitions: number): readonly string[] {
  if (partitions === 1) return []
  return bindingKeys(order, index, partitions).map((key) => {
    const [, low = '', high = '', id = ''] = key.split('.')
    if (id !== '*') return `#.${id}.*.*`
    return high === '*' ? `#.${low}` : `#.${high}.${low}`
  })
}

/** What places a message in a partition of a group. */
export function placementOf(envelope: Envelope, order: GroupOrder): string {
  return order === 'key' ? (envelope.partitionkey ?? envelope.id) : envelope.id
}

/** The smallest power of two that is not below. */
export function powerOfTwo(count: number): number {
  return Math.min(partitionsMax, 2 ** Math.ceil(Math.log2(Math.max(1, count))))
}
