/** Collects deliveries for one `receive`: released ones first, then on along the log, skipping what others own. */
import type { SluiceError } from '@sluice/core/transport'
import type { Block } from '../log/block.ts'
import { LogDelivery } from './log-delivery.ts'
import type { Member } from './member.ts'
import type { HeldDelivery, OwnedPartition } from './owned-partition.ts'

/** Blocks looked at in one go, so that a group that owns little of a channel leaves the loop to others. */
const blocksMax = 32

export interface Collected {
  readonly deliveries: LogDelivery[]
  /** The log goes on: ask again even without a new commit. */
  readonly more: boolean
  /** A block is damaged: these partitions stop before it. */
  readonly stopped: { readonly partitions: readonly OwnedPartition[]; readonly fault: SluiceError } | undefined
}

export function collect(member: Member, countMax: number, bytesMax: number): Collected {
  const { subscription } = member
  const room = Math.min(countMax, subscription.windowCount - member.inHand)
  const roomBytes = Math.min(bytesMax, member.inHand === 0 ? Infinity : subscription.windowBytes - member.inHandBytes)
  const deliveries: LogDelivery[] = []
  if (room <= 0 || roomBytes <= 0) return { deliveries, more: false, stopped: undefined }
  const nowMs = member.bus.clock.nowMs()
  const left = { count: room, bytes: roomBytes }
  for (const partition of member.partitions.values()) takeReleased(member, partition, deliveries, left, nowMs)
  const { more, stopped } = scan(member, deliveries, left, nowMs)
  let place = Infinity
  for (const partition of member.partitions.values()) place = Math.min(place, partition.readFrom)
  member.bus.reader(member.channelId).passed(member, place)
  for (const delivery of deliveries) {
    member.inHand++
    member.inHandBytes += delivery.sizeBytes
  }
  return { deliveries, more, stopped }
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

function scan(member: Member, deliveries: LogDelivery[], left: Left, nowMs: number): Pick<Collected, 'more' | 'stopped'> {
  const { bus, table } = member
  const serial = member.subscription.groupConcurrency !== undefined
  const size = table.length
  const reader = bus.reader(member.channelId)
  const taking = [...member.partitions.values()].filter((partition) => partition.state === 'owned' && !partition.blocked && !partition.stopped)
  // Released ones that did not fit come before anything new.
  if (taking.length === 0 || left.count <= 0 || taking.some((partition) => partition.released.length > 0)) return { more: false, stopped: undefined }
  let position = Infinity
  for (const partition of taking) position = Math.min(position, partition.readFrom)
  let more = false
  let blocks = 0
  let full = false
  let fault: SluiceError | undefined
  const stopped: OwnedPartition[] = []
  while (!full) {
    if (blocks++ >= blocksMax) {
      more = true
      break
    }
    let block: Block | undefined
    try {
      block = reader.next(position, bus.seenSeq)
    } catch (error) {
      // What was taken so far counts as delivered: it is handed out, and the next call meets the failure again.
      if (deliveries.length === 0 && fault === undefined) throw error
      more = true
      break
    }
    if (block === undefined) break
    if (block.placeFault !== undefined) {
      // Whose messages were in it, nobody knows.
      fault = block.placeFault
      for (const partition of taking) {
        if (partition.stopped || partition.blocked || partition.readFrom >= block.end) continue
        partition.stopped = true
        partition.readFrom = Math.max(partition.readFrom, block.first)
        stopped.push(partition)
      }
      more = true
      break
    }
    if (!bus.isSynced(block.seq)) break
    const blockFault = block.fault
    position = Math.max(position, block.first)
    for (let index = position - block.first; index < block.count; index++) {
      const partition = table[block.hashAt(index) % size]
      if (partition === undefined || position < partition.readFrom || partition.state !== 'owned' || partition.blocked || partition.stopped) {
        position++
        continue
      }
      if (partition.skips(position)) {
        position++
        continue
      }
      if (blockFault !== undefined) {
        // Its successors must not overtake it; other partitions go on.
        fault = blockFault
        partition.stopped = true
        partition.readFrom = position
        stopped.push(partition)
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
  // Asking whether a block is synced can find out that it is, tell everybody, and hand a partition over in the middle of this.
  for (const partition of taking)
    if (partition.state === 'owned' && !partition.blocked && !partition.stopped && position > partition.readFrom) partition.readFrom = position
  return { more, stopped: fault === undefined ? undefined : { partitions: stopped, fault } }
}
