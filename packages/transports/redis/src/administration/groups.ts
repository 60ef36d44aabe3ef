/** Figures of channels and groups. */
import type { ChannelStatus, GroupStatus } from '@sluice/core/transport'
import { hashOf } from '../group/collect.ts'
import { decodeRanges, isDone, type Progress } from '../group/progress.ts'
import { lanesOf, partitionsOf, toMap } from '../group/view.ts'
import { groupKey, registryKeys } from '../keys.ts'
import type { RedisBus } from '../redis-bus.ts'
import { Commands } from '../resp/command.ts'
import { isError, RedisError, type Reply, readReply } from '../resp/reply.ts'
import { readEntries } from '../wire/entries.ts'
import { after, msOf, type Position } from '../wire/position.ts'

/** Entries looked at for the oldest that a group waits for, at most. */
const oldestLookMax = 2_000

/** Names of all channels, those that are gone taken out of the list. */
export async function channelNames(bus: RedisBus): Promise<readonly string[]> {
  const { channels } = registryKeys(bus.options.prefix)
  const names = (await bus.link.command('SMEMBERS', channels)) as readonly string[]
  if (names.length === 0) return []
  const commands = new Commands()
  for (const name of names) commands.add('EXISTS', `${bus.key(name)}:meta`)
  const there = await ask(bus, commands)
  const gone = names.filter((_, i) => there[i] === 0)
  if (gone.length > 0) await bus.link.command('SREM', channels, ...gone)
  return names.filter((_, i) => there[i] !== 0).sort()
}

/** Runs commands; rejects with the first error among the answers. */
export async function ask(bus: RedisBus, commands: Commands): Promise<readonly Reply[]> {
  const { replies } = commands
  return bus.link.call(commands, (source) => {
    const all = Array.from({ length: replies }, () => readReply(source))
    for (const reply of all) if (reply instanceof RedisError) throw reply
    return all
  })
}

/** The same for a channel that may go meanwhile, with its last group: then undefined. */
async function askIfThere(bus: RedisBus, commands: Commands): Promise<readonly Reply[] | undefined> {
  try {
    return await ask(bus, commands)
  } catch (error) {
    if (error instanceof RedisError && error.message.includes('no such key')) return undefined
    throw error
  }
}

export async function channelStatus(bus: RedisBus, channel: string): Promise<ChannelStatus | undefined> {
  const key = bus.key(channel)
  const commands = new Commands().add('HGETALL', `${key}:meta`).add('XINFO', 'STREAM', key).add('ZCARD', `${key}:delayed`)
  const replies = await askIfThere(bus, commands)
  if (replies === undefined) return undefined
  const [meta, info, scheduled] = replies
  const settings = toMap(meta)
  const stream = toMap(info)
  const stored = Number(stream.get('entries-added'))
  const since = settings.get('emptySince')
  return {
    channel,
    kind: settings.get('kind') as ChannelStatus['kind'],
    stored,
    kept: Number(stream.get('length')),
    unrouted: Number(settings.get('unrouted') ?? 0) + (since === undefined ? 0 : stored - Number(since)),
    scheduled: Number(scheduled),
  }
}

/** Rows of a channel's groups. `inHand`: deliveries of this process's members, which know more than their last heartbeat said. */
export async function groupStatuses(bus: RedisBus, channel: string, inHand: ReadonlyMap<string, number>): Promise<GroupStatus[]> {
  const key = bus.key(channel)
  const [names, there] = await ask(bus, new Commands().add('SMEMBERS', `${key}:groups`).add('EXISTS', key))
  if (there === 0) return []
  const groups = [...(names as readonly string[])].sort()
  const rows: GroupStatus[] = []
  for (const group of groups) {
    const row = await groupStatus(bus, channel, group, inHand)
    if (row !== undefined) rows.push(row)
  }
  return rows
}

async function groupStatus(bus: RedisBus, channel: string, group: string, inHand: ReadonlyMap<string, number>): Promise<GroupStatus | undefined> {
  const key = bus.key(channel)
  const base = groupKey(key, group)
  // A look reaps members whose lease ran out, and leaves everything else as it is.
  const view = await bus.link.run('tick', key, group, '', 0, 'look', '[]', 0, '')
  if (!Array.isArray(view) || view[0] !== 'ok') return undefined
  const commands = new Commands()
    .add('XINFO', 'STREAM', key)
    .add('HGETALL', base)
    .add('HGETALL', `${base}:parts`)
    .add('HGETALL', `${base}:held`)
    .add('ZCARD', `${base}:members`)
    .add('ZCARD', `${base}:dead`)
    .add('ZRANGE', `${base}:dead`, 0, 0)
  const replies = await askIfThere(bus, commands)
  if (replies === undefined) return undefined
  const [info, settingsReply, partsReply, heldReply, members, dead] = replies
  const lanes = lanesOf(await bus.link.run('lanes', key, group), { name: '', residue: 0, modulus: 1 })
  const stream = toMap(info)
  const settings = toMap(settingsReply)
  if (settings.size === 0) return undefined
  const inLot = Number(settings.get('lot'))
  const waiting = Number(stream.get('entries-added')) - Number(settings.get('base')) - Number(settings.get('done'))
  // Where retention does not wait for groups, what it took is not waited for.
  const backlog = Math.max(0, Math.min(waiting, Number(stream.get('length')))) + inLot
  let inFlight = 0
  for (const [member, count] of toMap(heldReply)) inFlight += inHand.get(member) ?? Number(count)
  const oldestMs = backlog === 0 ? undefined : await oldestOf(bus, key, base, settings.get('order') as 'key' | 'channel' | 'none', toMap(partsReply), inLot > 0)
  return {
    channel,
    group,
    backlog,
    oldestAgeMs: oldestMs === undefined ? 0 : Math.max(0, bus.clock.nowMs() - oldestMs),
    inFlight,
    deadLetters: Number(dead),
    parkedLanes: lanes.filter(({ state }) => state === 'parked').length,
    suspendedLanes: lanes.filter(({ state }) => state === 'suspended').length,
    consumers: Number(members),
    paused: settings.get('paused') === '1',
  }
}

async function oldestOf(
  bus: RedisBus,
  key: string,
  base: string,
  order: 'key' | 'channel' | 'none',
  parts: ReadonlyMap<string, string>,
  hasLot: boolean,
): Promise<number | undefined> {
  let oldestMs: number | undefined
  if (hasLot) {
    const positions = (await bus.link.command('HKEYS', `${base}:lot`)) as readonly string[]
    for (const position of positions) oldestMs = Math.min(oldestMs ?? Infinity, msOf(position))
  }
  const partitions = partitionsOf(parts).map((partition) => ({
    ...partition,
    progress: { cursor: parts.get(`${partition.name}:c`) ?? '', ranges: decodeRanges(parts.get(`${partition.name}:d`) ?? '') } as Progress,
  }))
  let at: Position | undefined
  for (const { progress } of partitions) if (at === undefined || progress.cursor < at) at = progress.cursor
  for (let seen = 0; at !== undefined && seen < oldestLookMax; ) {
    const entries = await bus.link.call(new Commands().add('XRANGE', key, at, '+', 'COUNT', 100), (source) => {
      if (isError(source)) throw readReply(source) as RedisError
      return readEntries(source)
    })
    for (const entry of entries) {
      const hash = hashOf(entry, order)
      const partition = partitions.find(({ residue, modulus }) => hash % modulus === residue)
      if (partition !== undefined && !isDone(partition.progress, entry.position)) return Math.min(oldestMs ?? Infinity, msOf(entry.position))
    }
    const last = entries.at(-1)
    if (last === undefined || entries.length < 100) break
    at = after(last.position)
    seen += entries.length
  }
  return oldestMs ?? (at === undefined ? undefined : Math.max(msOf(at), 1))
}
