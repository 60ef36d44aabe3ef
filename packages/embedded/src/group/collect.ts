/** Collects deliveries for one `receive`: released ones first, then on along the log, skipping what others own. */
import { LogDelivery } from './log-delivery.ts'
import type { Member } from './member.ts'
import type { HeldDelivery, OwnedPartition } from './owned-partition.ts'

/** Blocks looked at in one go, so that a group that owns little of a channel leaves the loop to others. */
const blocksMax = 32

export interface Collected {
  readonly deliveries: LogDelivery[]
  /** The log goes on: ask again even without a new commit. */
  readonly more: boolean
}

export function collect(member: Member, countMax: number, bytesMax: number): Collected {
  const { subscription } = member
  const room = Math.min(countMax, subscription.windowCount - member.inHand)
  const roomBytes = Math.min(bytesMax, member.inHand === 0 ? Infinity : subscription.windowBytes - member.inHandBytes)
  const deliveries: LogDelivery[] = []
  if (room <= 0 || roomBytes <= 0) return { deliveries, more: false }
  const nowMs = member.bus.clock.nowMs()
  const left = { count: room, bytes: roomBytes }
  for (const partition of member.partitions.values()) takeReleased(member, partition, deliveries, left, nowMs)
  const more = scan(member, deliveries, left, nowMs)
  for (const delivery of deliveries) {
    member.inHand++
    member.inHandBytes += delivery.sizeBytes
  }
  return { deliveries, more }
}

interface Left {
  count: number
  bytes: number
}

function takeReleased(member: Member, partition: OwnedPartition, deliveries: LogDelivery[], left: Left, nowMs: number): void {
  const serial = member.subscription.groupConcurrency !== undefined
  while (partition.released.length > 0 && left.count > 0 && partition.state === 'owned' && !partition.blocked) {
    const old = partition.released[0] as HeldDelivery
    if (deliveries.length > 0 && old.sizeBytes > left.bytes) return
    partition.released.shift()
    const again = new LogDelivery(partition, old.block, old.index, old.deliveries + 1, old.record, nowMs, old.firstDeliveredAtMs ?? old.deliveredAtMs)
    partition.replace(old, again)
    deliveries.push(again)
    left.count--
    left.bytes -= again.sizeBytes
    if (serial) partition.blocked = true
  }
}

function scan(member: Member, deliveries: LogDelivery[], left: Left, nowMs: number): boolean {
  const { bus, table } = member
  const serial = member.subscription.groupConcurrency !== undefined
  const size = table.length
  const reader = bus.reader(member.channelId)
  const taking = [...member.partitions.values()].filter((partition) => partition.state === 'owned' && !partition.blocked)
  // Released ones that did not fit come before anything new.
  if (taking.length === 0 || left.count <= 0 || taking.some((partition) => partition.released.length > 0)) return false
  let position = Infinity
  for (const partition of taking) position = Math.min(position, partition.readFrom)
  let more = false
  let blocks = 0
  let full = false
  while (!full) {
    if (blocks++ >= blocksMax) {
      more = true
      break
    }
    const block = reader.next(position, bus.seenSeq)
    if (block === undefined || !bus.isSynced(block.seq)) break
    try {
      block.sizeAt(0)
    } catch (error) {
      // Damaged: what was collected before it goes out first.
      if (deliveries.length === 0) throw error
      break
    }
    position = Math.max(position, block.first)
    for (let index = position - block.first; index < block.count; index++) {
      const partition = table[block.hashAt(index) % size]
      if (partition === undefined || position < partition.readFrom || partition.state !== 'owned' || partition.blocked) {
        position++
        continue
      }
      if (partition.skips(position)) {
        position++
        continue
      }
      if (left.count <= 0 || (deliveries.length > 0 && block.sizeAt(index) > left.bytes)) {
        full = true
        break
      }
      const record = partition.attempts.get(position)
      const before = record?.deliveries ?? (position < partition.deliveredBefore ? Math.max(1, partition.deaths) : 0)
      const delivery = new LogDelivery(partition, block, index, before, record, nowMs)
      partition.add(delivery)
      partition.readFrom = position + 1
      partition.deliveredEnd = position + 1
      if (serial) partition.blocked = true
      deliveries.push(delivery)
      left.count--
      left.bytes -= delivery.sizeBytes
      position++
    }
  }
  for (const partition of taking) if (!partition.blocked && position > partition.readFrom) partition.readFrom = position
  return more
}
