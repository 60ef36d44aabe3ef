import type { Clock } from '../../clock/index.ts'
import type { ChannelDeclaration, ChannelStatus, GroupDeclaration, OutgoingMessage, Retention } from '../transport.ts'
import { Group } from './group.ts'
import type { GroupHome, StoredMessage } from './model.ts'

/** Partitions of a channel that names none. */
const partitionsDefault = 8
/** Accepted messages kept for replay by a channel that names no retention, bytes. */
const keptBytesDefault = 16 * 1024 * 1024

interface Delayed {
  readonly message: OutgoingMessage
  readonly dueMs: number
}

/** A broker, as its channels see it. */
export interface ChannelHome {
  readonly clock: Clock
  /** A delayed message came: look when the next one is due. */
  arm(): void
  removeChannel(name: string): void
}

/** A log with its groups, its delayed messages and its deduplication window. */
export class Channel implements GroupHome {
  readonly name: string
  readonly kind: ChannelDeclaration['kind']
  partitions: number
  readonly groups: Map<string, Group> = new Map()
  readonly #broker: ChannelHome
  #retention: Retention
  #log: StoredMessage[] = []
  #bytes = 0
  #next = 1
  #trimAt = 256
  #unrouted = 0
  readonly #delayed: Delayed[] = []
  readonly #seen: Map<string, { readonly id: string; readonly untilMs: number }> = new Map()

  constructor(broker: ChannelHome, declaration: ChannelDeclaration) {
    this.#broker = broker
    this.name = declaration.name
    this.kind = declaration.kind
    this.partitions = declaration.partitions ?? partitionsDefault
    this.#retention = declaration.retention ?? {}
  }

  /** Takes new settings; fewer partitions than there are is a member of an older version, which adapts. */
  configure(declaration: ChannelDeclaration): void {
    this.#retention = declaration.retention ?? this.#retention
    if ((declaration.partitions ?? 0) <= this.partitions) return
    this.partitions = declaration.partitions as number
    for (const group of this.groups.values()) group.rebalance()
  }

  group(declaration: GroupDeclaration): Group {
    const known = this.groups.get(declaration.group)
    if (known !== undefined) {
      if (declaration.provisional !== true) known.adopt(declaration)
      return known
    }
    const group = new Group(this, declaration)
    this.groups.set(group.name, group)
    const { from } = declaration
    if (from !== 'end') for (const message of this.#log) if (from === 'start' || message.storedAtMs >= from) group.append(message)
    return group
  }

  get clock(): Clock {
    return this.#broker.clock
  }

  removeGroup(name: string): void {
    this.groups.delete(name)
    if (this.kind === 'reply' && this.groups.size === 0) this.#broker.removeChannel(this.name)
  }

  /** Stores one message now or when it is due. Returns the id that is kept instead, if it is a duplicate. */
  accept(message: OutgoingMessage, resend: boolean): string | undefined {
    const nowMs = this.#broker.clock.nowMs()
    const { deduplicate, envelope } = message
    if (
      resend &&
      (this.#log.some((stored) => stored.envelope.id === envelope.id) || this.#delayed.some((delayed) => delayed.message.envelope.id === envelope.id))
    )
      return undefined
    if (deduplicate !== undefined) {
      for (const [key, seen] of this.#seen) if (seen.untilMs <= nowMs) this.#seen.delete(key)
      const seen = this.#seen.get(deduplicate.key)
      if (seen !== undefined) return seen.id
      this.#seen.set(deduplicate.key, { id: envelope.id, untilMs: nowMs + deduplicate.windowMs })
    }
    if ((message.notBeforeMs ?? 0) > nowMs) this.#delay(message, message.notBeforeMs as number)
    else this.#store(message)
    return undefined
  }

  /** Bytes that cannot be given up. */
  get fullBytes(): number {
    return this.#bytes
  }

  /** Stores what is due; resolves to when the next one is. */
  release(nowMs: number): number {
    while (this.#delayed[0] !== undefined && this.#delayed[0].dueMs <= nowMs) this.#store((this.#delayed.shift() as Delayed).message)
    return this.#delayed[0]?.dueMs ?? Infinity
  }

  cancel(id: string): boolean {
    const at = this.#delayed.findIndex((delayed) => delayed.message.envelope.id === id)
    if (at < 0) return false
    this.#delayed.splice(at, 1)
    for (const [key, seen] of this.#seen) if (seen.id === id) this.#seen.delete(key)
    return true
  }

  stored(fromMs: number | undefined, toMs: number | undefined): StoredMessage[] {
    return this.#log.filter((message) => message.storedAtMs >= (fromMs ?? 0) && message.storedAtMs < (toMs ?? Infinity))
  }

  browse(after: number, limit: number): StoredMessage[] {
    return this.#log.filter((message) => message.position > after).slice(0, limit)
  }

  status(): ChannelStatus {
    return { channel: this.name, kind: this.kind, stored: this.#next - 1, kept: this.#log.length, unrouted: this.#unrouted, scheduled: this.#delayed.length }
  }

  #store(message: OutgoingMessage): void {
    const stored: StoredMessage = { position: this.#next++, envelope: message.envelope, storedAtMs: this.#broker.clock.nowMs(), sizeBytes: message.sizeBytes }
    this.#log.push(stored)
    this.#bytes += stored.sizeBytes
    if (this.groups.size === 0) this.#unrouted++
    for (const group of this.groups.values()) group.append(stored)
    if (stored.position >= this.#trimAt || stored.sizeBytes > keptBytesDefault / 256) this.#trim()
  }

  #delay(message: OutgoingMessage, dueMs: number): void {
    let at = this.#delayed.length
    while (at > 0 && (this.#delayed[at - 1] as Delayed).dueMs > dueMs) at--
    this.#delayed.splice(at, 0, { message, dueMs })
    this.#broker.arm()
  }

  #trim(): void {
    const { maxAgeMs = Infinity, maxBytes = maxAgeMs === Infinity ? keptBytesDefault : Infinity, keepForGroups = true } = this.#retention
    const oldestMs = this.#broker.clock.nowMs() - maxAgeMs
    // Nothing is trimmed that a group waits for, nor what no group ever asked for.
    let floor = this.groups.size === 0 ? 0 : Infinity
    if (keepForGroups) for (const group of this.groups.values()) for (const entry of group.pending) floor = Math.min(floor, entry.message.position)
    let count = 0
    for (const message of this.#log) {
      if (message.position >= floor || (this.#bytes <= maxBytes && message.storedAtMs >= oldestMs)) break
      this.#bytes -= message.sizeBytes
      count++
    }
    // Finding the slowest group reads every backlog: done again when the log has grown by a quarter, it costs little a message.
    this.#trimAt = this.#next + Math.max(256, (this.#log.length - count) >> 2)
    if (count === 0) return
    this.#log = this.#log.slice(count)
    if (!keepForGroups) for (const group of this.groups.values()) group.trim(this.#log[0]?.position ?? this.#next)
  }
}
