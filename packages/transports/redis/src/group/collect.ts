/** Collects deliveries for one `receive`: released ones first, then on along the log, skipping what others own. */
import { keyHash, placementKey } from '@sluice/core/transport'
import type { LogEntry } from '../wire/entries.ts'
import { after, type Position } from '../wire/position.ts'
import { LogDelivery } from './delivery.ts'
import type { Member } from './member.ts'
import type { HeldDelivery, OwnedPartition } from './partition.ts'

/** Pages looked at in one go, so that a group that owns little of a channel leaves the loop to others. */
const pagesMax = 16

export interface Collected {
  readonly deliveries: LogDelivery[]
  /** The log goes on: ask again without being woken. */
  readonly more: boolean
}

interface Left {
  count: number
  bytes: number
}

export function collect(member: Member, countMax: number, bytesMax: number): Collected {
  const { subscription } = member
  const left: Left = {
    count: Math.min(countMax, subscription.windowCount - member.inHand),
    bytes: Math.min(bytesMax, member.inHand === 0 ? Infinity : subscription.windowBytes - member.inHandBytes),
  }
  const deliveries: LogDelivery[] = []
  if (left.count <= 0 || left.bytes <= 0) return { deliveries, more: false }
  const nowMs = member.bus.clock.nowMs()
  for (const partition of member.partitions.values()) takeReleased(member, partition, deliveries, left, nowMs)
  const more = scan(member, deliveries, left, nowMs)
  for (const delivery of deliveries) {
    member.inHand++
    member.inHandBytes += delivery.sizeBytes
  }
  return { deliveries, more }
}

function takeReleased(member: Member, partition: OwnedPartition, deliveries: LogDelivery[], left: Left, nowMs: number): void {
  const serial = member.subscription.groupConcurrency !== undefined
  while (partition.released.length > 0 && left.count > 0 && partition.state === 'owned' && !partition.blocked) {
    const old = partition.released[0] as HeldDelivery
    if (deliveries.length > 0 && old.sizeBytes > left.bytes) return
    partition.released.shift()
    const again = new LogDelivery(partition, old.entry, old.deliveries + 1, old.remembered, nowMs, old.firstDeliveredAtMs ?? old.deliveredAtMs)
    partition.replace(old, again)
    deliveries.push(again)
    left.count--
    left.bytes -= again.sizeBytes
    if (serial) partition.blocked = true
  }
}

function scan(member: Member, deliveries: LogDelivery[], left: Left, nowMs: number): boolean {
  const { reader, table } = member
  const { order, groupConcurrency } = member.subscription
  const taking = [...member.partitions.values()].filter((partition) => partition.state === 'owned' && !partition.blocked)
  // Released ones that did not fit come before anything new.
  if (taking.length === 0 || left.count <= 0 || taking.some((partition) => partition.released.length > 0)) return false
  let position = (taking[0] as OwnedPartition).readFrom
  for (const partition of taking) if (partition.readFrom < position) position = partition.readFrom
  let stop: Position | undefined
  let more = true
  for (let pages = 0; stop === undefined && pages < pagesMax; pages++) {
    const page = reader.page(position)
    if (page === undefined) {
      more = false
      break
    }
    for (const entry of page.entries) {
      if (entry.position < position) continue
      const partition = table[hashOf(entry, order) % table.length]
      if (partition === undefined || partition.state !== 'owned' || partition.blocked || entry.position < partition.readFrom) continue
      if (partition.skips(entry.position)) continue
      if (left.count <= 0 || (deliveries.length > 0 && entry.sizeBytes > left.bytes)) {
        stop = entry.position
        more = false
        break
      }
      deliveries.push(deliver(partition, entry, nowMs))
      left.count--
      left.bytes -= entry.sizeBytes
      if (groupConcurrency !== undefined) {
        partition.blocked = true
        partition.readFrom = after(entry.position)
      }
    }
    if (stop === undefined) position = page.to
    for (const partition of taking) if (page.to > partition.claimable) partition.claimable = page.to
  }
  const end = stop ?? position
  for (const partition of taking) if (!partition.blocked && end > partition.readFrom) partition.readFrom = end
  return more
}

function deliver(partition: OwnedPartition, entry: LogEntry, nowMs: number): LogDelivery {
  const remembered = partition.attempts.get(entry.position)
  const before = remembered?.deliveries ?? (entry.position < partition.suspectBefore ? Math.max(1, partition.deaths) : 0)
  const delivery = new LogDelivery(partition, entry, before, remembered, nowMs, undefined)
  partition.add(delivery)
  return delivery
}

/** What places a message: its key, the whole channel, or its id where nothing must stay behind anything. */
export function hashOf(entry: Pick<LogEntry, 'envelope'>, order: 'key' | 'channel' | 'none'): number {
  const { envelope } = entry
  return keyHash(placementKey(envelope, order) ?? envelope.id)
}
