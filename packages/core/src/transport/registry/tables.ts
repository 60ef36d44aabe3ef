/**
 * What the members of a bus agree on where the server itself keeps no such thing (which channels and groups there are, of
 * which kind and order, paused or not, which types somebody handles): a state machine. Records go in, in the order of some
 * log that every member reads from its beginning (a stream, a topic of one partition), so that each comes to the same state
 * and the same outcome: an append that comes back is compare and set, without a lock and without a leader. No I/O, no
 * clock: times are in the records. A transport extends it with what only its server needs.
 */
import type { GroupOrder } from '../partition/index.ts'
import type { ChannelDeclaration } from '../transport.ts'

/** A channel, as far as every registry knows it; part of the snapshot, so plain JSON. */
export interface RegisteredChannel {
  readonly name: string
  readonly kind: ChannelDeclaration['kind']
}

/** A group, as far as every registry knows it; part of the snapshot, so plain JSON. */
export interface RegisteredGroup {
  readonly channel: string
  readonly group: string
  order: GroupOrder
  /** Only guessed by a sender: the first member decides. */
  provisional: boolean
  readonly ephemeral: boolean
  paused: boolean
  /** Type → when a member announced it last, ms. */
  readonly types: Record<string, number>
  /** Partition → type that its last owner could not handle. */
  readonly wants: Record<string, string>
}

/** What a record came to. `refused`: it was too late, or contradicts what is there; nothing has changed. */
export type RegistryOutcome = 'done' | 'refused'

/** Records that mean the same in every registry. */
export type SharedRecord =
  | { readonly op: 'channel-gone'; readonly name: string }
  | { readonly op: 'group-gone'; readonly channel: string; readonly group: string }
  /** The owner of a partition cannot handle a type of the group. */
  | { readonly op: 'wants'; readonly channel: string; readonly group: string; readonly partition: string | number; readonly type: string }
  | { readonly op: 'paused'; readonly channel: string; readonly group: string; readonly paused: boolean }

/** A type that no live member has announced for this long is forgotten, ms. */
const typeKeptMs = 24 * 3_600_000

/** Channels and groups by name. See the header of this file. */
export class RegistryTables<C extends RegisteredChannel, G extends RegisteredGroup> {
  readonly channels: Map<string, C> = new Map()
  readonly #groups: Map<string, G> = new Map()

  group(channel: string, group: string): G | undefined {
    return this.#groups.get(place(channel, group))
  }

  /** Those of a channel, or all. */
  groups(channel?: string): readonly G[] {
    return [...this.#groups.values()].filter((group) => channel === undefined || group.channel === channel)
  }

  /** All that is here, to be written as JSON for whoever comes later. */
  protected tables(): { readonly channels: readonly C[]; readonly groups: readonly G[] } {
    return { channels: [...this.channels.values()], groups: [...this.#groups.values()] }
  }

  /** Takes what {@link tables} gave in the place of all that is here. */
  protected restoreTables({ channels, groups }: { readonly channels: readonly C[]; readonly groups: readonly G[] }): void {
    this.channels.clear()
    this.#groups.clear()
    for (const channel of channels) this.channels.set(channel.name, channel)
    for (const group of groups) this.putGroup(group)
  }

  protected putGroup(group: G): void {
    this.#groups.set(place(group.channel, group.group), group)
  }

  protected removeGroup(channel: string, group: string): boolean {
    return this.#groups.delete(place(channel, group))
  }

  protected applyShared(record: SharedRecord): RegistryOutcome {
    switch (record.op) {
      case 'channel-gone':
        return doneIf(this.channels.delete(record.name))
      case 'group-gone':
        return doneIf(this.removeGroup(record.channel, record.group))
      default: {
        const group = this.group(record.channel, record.group)
        if (group === undefined) return 'refused'
        if (record.op === 'paused') group.paused = record.paused
        else group.wants[record.partition] = record.type
        return 'done'
      }
    }
  }
}

/**
 * A group is declared that is there already. `settled`: it was only guessed, and has the declared order from now on; `known`:
 * it is as declared, or the declaration is itself a guess; `refused`: it has another order.
 */
export function settleOrder(
  known: Pick<RegisteredGroup, 'order' | 'provisional'>,
  declared: Pick<RegisteredGroup, 'order' | 'provisional'>,
): 'settled' | 'known' | 'refused' {
  if (declared.provisional) return 'known'
  if (!known.provisional) return known.order === declared.order ? 'known' : 'refused'
  known.provisional = false
  known.order = declared.order
  return 'settled'
}

/** Types were announced until `nowMs`; those that nobody has announced for a day are forgotten, unless `isLive` says that a member handles them. */
export function announceTypes(known: Record<string, number>, announced: readonly string[], nowMs: number, isLive?: (type: string) => boolean): void {
  for (const type of announced) known[type] = nowMs
  for (const [type, seenMs] of Object.entries(known)) if (nowMs - seenMs > typeKeptMs && isLive?.(type) !== true) delete known[type]
}

/** Whether something has changed, as an outcome. */
export function doneIf(changed: boolean): RegistryOutcome {
  return changed ? 'done' : 'refused'
}

function place(channel: string, group: string): string {
  return `${channel}\n${group}`
}
