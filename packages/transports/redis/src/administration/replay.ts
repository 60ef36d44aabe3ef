/** Moving a group back: every owner is fenced off, what was done in a time is counted, and is not done any more. */
import { SluiceError } from '@sluice/core/transport'
import { hashOf } from '../group/collect.ts'
import { decodeRanges, encodeRanges, isDone, type Progress, reopened } from '../group/progress.ts'
import { partitionsOf, toMap } from '../group/view.ts'
import { groupKey } from '../keys.ts'
import type { RedisBus } from '../redis-bus.ts'
import { Commands } from '../resp/command.ts'
import { isError, type RedisError, readReply } from '../resp/reply.ts'
import { type LogEntry, readEntries } from '../wire/entries.ts'
import { after, firstPosition, type Position, positionAt } from '../wire/position.ts'
import { findDead } from './dead-letters.ts'

const pageSize = 500

interface Fenced {
  readonly name: string
  readonly residue: number
  readonly modulus: number
  readonly epoch: number
  readonly progress: Progress
}

/** Delivers [from, to) again; undefined: there is no such group. Resolves to how many come again. */
export async function replayGroup(bus: RedisBus, channel: string, group: string, from: Position, toWanted: Position): Promise<number | undefined> {
  const key = bus.key(channel)
  const order = (await bus.link.command('HGET', groupKey(key, group), 'order')) as 'key' | 'channel' | 'none' | null
  if (order === null) return undefined
  for (;;) {
    const begun = (await bus.link.run('replayBegin', key, group, from, toWanted)) as readonly [string, unknown]
    if (begun[0] === 'none') return undefined
    if (begun[0] === 'lot')
      throw new SluiceError('UNSUPPORTED', `${begun[1]} messages of that time, or behind dead letters of it, wait in the parking lot of group ${group}`, {
        fix: 'Redrive or discard its dead letters first, or replay a time without them',
      })
    const [, partsReply] = begun
    const parts = toMap(partsReply)
    const fenced: Fenced[] = partitionsOf(parts).map(({ name, residue, modulus, epoch }) => ({
      name,
      residue,
      modulus,
      epoch,
      progress: { cursor: parts.get(`${name}:c`) ?? firstPosition, ranges: decodeRanges(parts.get(`${name}:d`) ?? '') },
    }))
    const count = await countDone(bus, key, from, toWanted, order, fenced)
    const progress = fenced.map(({ name, epoch, progress: before }) => {
      const { cursor, ranges } = reopened(before, from, toWanted)
      return [name, epoch, cursor, encodeRanges(ranges)]
    })
    // Messages before the group's start count, too: then `done` goes below zero, and the backlog (added − base − done) is right.
    const dead = await findDead(bus, channel, group, {})
    const again = dead.filter(({ meta: { position } }) => position >= from && position < toWanted).map(({ id }) => id)
    const done = await bus.link.run('replayEnd', key, group, JSON.stringify(progress), count, ...again)
    if (done === 1) return count
  }
}

/** How many entries of [from, to) are done. */
async function countDone(
  bus: RedisBus,
  key: string,
  from: Position,
  to: Position,
  order: 'key' | 'channel' | 'none',
  fenced: readonly Fenced[],
): Promise<number> {
  let count = 0
  let at = from
  for (;;) {
    const entries: LogEntry[] = await bus.link.call(new Commands().add('XRANGE', key, at, `(${to}`, 'COUNT', pageSize), (source) => {
      if (isError(source)) throw readReply(source) as RedisError
      return readEntries(source)
    })
    for (const entry of entries) {
      const hash = hashOf(entry, order)
      const partition = fenced.find(({ residue, modulus }) => hash % modulus === residue)
      if (partition !== undefined && isDone(partition.progress, entry.position)) count++
    }
    const last = entries.at(-1)
    if (last === undefined || entries.length < pageSize) return count
    at = after(last.position)
  }
}

/** The positions of a time span; undefined ends are open. */
export function spanOf(fromMs: number | undefined, toMs: number | undefined): readonly [Position, Position] {
  return [fromMs === undefined ? firstPosition : positionAt(fromMs), toMs === undefined ? positionAt(9_999_999_999_999) : positionAt(toMs)]
}
