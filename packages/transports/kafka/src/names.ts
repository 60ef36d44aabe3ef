/** What a channel and its groups are called on the brokers. Names of Sluice are allowed as names of topics as they are. */
export class Names {
  readonly #prefix: string

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  /** The topic of a channel: its own name, so that other clients find it. */
  channel(channel: string): string {
    return this.#prefix + channel
  }

  /** The consumer group. */
  group(channel: string, group: string): string {
    return `${this.#prefix}${channel}.${group}`
  }

  /** The topic of a group's parking lot and dead letters. */
  lot(channel: string, group: string): string {
    return short(`${this.#prefix}${channel}.${group}.sluice-lot`)
  }

  /** The topic of what all members must agree on. */
  get registry(): string {
    return `${this.#prefix}sluice.registry`
  }

  /** The topic of replies to all instances. */
  get replies(): string {
    return `${this.#prefix}sluice.replies`
  }

  /** The topic of messages that wait for their time, of all channels, and the group of those who move them on. */
  get later(): string {
    return `${this.#prefix}sluice.later`
  }

  /** The producer that settles for one member. */
  transaction(memberId: string): string {
    return `${this.#prefix}sluice.${memberId}`
  }
}

// A topic's name has 249 characters at most.
function short(name: string): string {
  if (name.length <= 249) return name
  let hash = 0xcbf29ce484222325n
  for (const char of name) hash = BigInt.asUintN(64, (hash ^ BigInt(char.charCodeAt(0))) * 0x100000001b3n)
  return `${name.slice(0, 220)}-${hash.toString(36)}`
}
