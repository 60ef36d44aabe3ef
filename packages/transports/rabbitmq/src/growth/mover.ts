/**
 * A group's partitions change. First nobody consumes the old ones any more (*halted*). Then messages are diverted to the new
 * queues (*bound*, diversion.ts). Then everything of an old one is copied, in order, to queues that the owners of the new
 * ones read first (*moved*). Exclusive by the single active consumer of each queue; a mover that dies is followed by another
 * one, which begins with what is still there.
 *
 * The server routes a message first and stores it a moment later, and what is on its way to a queue that is deleted it
 * *confirms*. So old queues stay for a while (*retired*), and what still arrives there follows, then they go.
 */
import { partitionIndex, partitionName } from '@sluice/core/transport'
import type { ConsumeMessage } from 'amqplib'
import { copy, type DrainHome, drain } from '../consume/drain.ts'
import { partitionPrefetch } from '../consume/prefetch.ts'
import type { LotNote } from '../lot/lot-state.ts'
import { type Names, placementOf } from '../names.ts'
import type { Registry } from '../registry/registry.ts'
import { type GroupEntry, partitionsOf } from '../registry/state.ts'
import type { TopologyKeeper } from '../topology.ts'
import { fromWire } from '../wire.ts'

/** What moving needs. */
export interface MoverHome extends DrainHome {
  readonly registry: Registry
  readonly names: Names
  readonly topology: TopologyKeeper
}

/** How long a queue that is bound to nothing is looked after, ms. */
const retiredMs = 60_000

/** Sees to it that nobody consumes an old partition any more. Resolves when the registry knows it. */
export async function haltPartition(home: MoverHome, entry: GroupEntry, partition: string): Promise<void> {
  const { channel, group } = entry
  // Nothing is settled: that we were the active consumer once is all that is wanted.
  await drain(home, home.names.partition(channel, group, partition), partitionPrefetch, async () => false, 'active')
  await home.registry.append({ op: 'halted', channel, group, partition })
}

/** Moves one old partition. Resolves when the registry knows it. */
export async function movePartition(home: MoverHome, entry: GroupEntry, partition: string): Promise<void> {
  const { channel, group, growth, order, partitions } = entry
  if (growth === undefined) return
  const { names, publisher, registry, topology, clock } = home
  const target = (place: string): string => partitionName(partitionIndex(place, growth.partitions), growth.partitions)
  const old = names.partition(channel, group, partition)
  const befores = new Map<string, Promise<void>>()
  const move = async (message: ConsumeMessage): Promise<boolean> => {
    const { envelope } = fromWire(message, clock.nowMs())
    const next = target(placementOf(envelope, order))
    const isThere = befores.get(next) ?? topology.before(channel, group, next)
    befores.set(next, isThere)
    // All wait alike, so that they go on in their order.
    await isThere
    await copy(publisher, names.before(channel, group, next), message)
    return true
  }
  const oldBefore = names.before(channel, group, partition)
  if (entry.befores.includes(partition)) await drain(home, oldBefore, partitionPrefetch, move)
  await drain(home, old, partitionPrefetch, move)
  if (entry.lots.includes(partition)) {
    const index = Number(partition.split('/')[0])
    const children = Array.from({ length: growth.partitions / partitions }, (_, i) => partitionName(index + i * partitions, growth.partitions))
    for (const child of children) await topology.lot(channel, group, child)
    await drain(home, names.lot(channel, group, partition), 0, (message) => moveNote(home, entry, children, target, message))
  }
  await registry.append({ op: 'moved', channel, group, partition, nowMs: clock.nowMs() })
}

/** What came late to the queues of an earlier number of partitions follows to the present ones; after a while the queues go. */
export async function sweepRetired(home: MoverHome, entry: GroupEntry, { partitions, sinceMs }: GroupEntry['retired'][number]): Promise<void> {
  const { channel, group, order } = entry
  const { names, publisher, registry, topology, clock } = home
  const target = (place: string): string => partitionName(partitionIndex(place, entry.partitions), entry.partitions)
  const isOld = clock.nowMs() - sinceMs > retiredMs
  for (const partition of partitionsOf(entry, partitions)) {
    const [queue = '', before = '', lot = ''] = names.allOf(channel, group, partition)
    for (const each of [before, queue])
      if (await topology.holdsSomething(each))
        await drain(home, each, partitionPrefetch, async (message) => {
          const { envelope } = fromWire(message, clock.nowMs())
          await copy(publisher, names.partition(channel, group, target(placementOf(envelope, order))), message)
          return true
        })
    if (await topology.holdsSomething(lot)) {
      const children = partitionsOf(entry).filter((child) => Number(child.split('/')[0]) % partitions === Number(partition.split('/')[0]))
      for (const child of children) await topology.lot(channel, group, child)
      await drain(home, lot, 0, (message) => moveNote(home, entry, children, target, message))
    }
    if (isOld) await topology.removeEmpty([queue, before, lot])
  }
  if (!isOld) return
  await topology.removePassage(entry, partitions)
  await registry.append({ op: 'retired-gone', channel, group, partitions })
}

/** A note of an old lot goes to the lot of its lane, or to all that its lane may be in. */
async function moveNote(
  { names, publisher }: MoverHome,
  { channel, group }: GroupEntry,
  children: readonly string[],
  target: (place: string) => string,
  message: ConsumeMessage,
): Promise<boolean> {
  const place = placeOf(message)
  for (const child of place === undefined ? children : [target(place)]) await copy(publisher, names.lot(channel, group, child), message)
  return true
}

/** What places a note of the lot; undefined: nobody knows, so all get it. */
function placeOf({ properties }: ConsumeMessage): string | undefined {
  const text: unknown = properties.headers?.['sluice-lot']
  if (typeof text !== 'string') return undefined
  const note: LotNote = JSON.parse(text)
  if (note.kind === 'progress') return undefined
  return note.lane.replace(/^(key|id):/, '')
}
