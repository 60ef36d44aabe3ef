/** Recurring schedules: kept with the channel that they send to, and found by name through the registry. */
import type { ScheduleRecord } from '@sluice/core/transport'
import { toMap } from '../group/view.ts'
import { registryKeys } from '../keys.ts'
import type { RedisBus } from '../redis-bus.ts'
import { Commands } from '../resp/command.ts'
import { pack, unpack } from '../wire/pack.ts'
import { ask } from './groups.ts'

interface StoredSchedule {
  readonly cron: string
  readonly timeZone: string
}

async function channelOf(bus: RedisBus, name: string): Promise<string | undefined> {
  const channel = await bus.link.command('HGET', registryKeys(bus.options.prefix).schedules, name)
  return typeof channel === 'string' ? channel : undefined
}

export async function putSchedule(bus: RedisBus, schedule: ScheduleRecord): Promise<ScheduleRecord> {
  const { name, message, cron, timeZone, nextAtMs } = schedule
  const before = await channelOf(bus, name)
  if (before !== undefined && before !== message.channel) await bus.link.run('removeSchedule', bus.key(before), name)
  await bus.link.command('HSET', registryKeys(bus.options.prefix).schedules, name, message.channel)
  const stored: StoredSchedule = { cron, timeZone }
  const packed = pack(message.envelope, message.sizeBytes)
  const next = await bus.link.run('putSchedule', bus.key(message.channel), name, JSON.stringify(stored), nextAtMs, packed, `${cron}\n${timeZone}`)
  return { ...schedule, nextAtMs: Number(next) }
}

export async function removeSchedule(bus: RedisBus, name: string): Promise<boolean> {
  const channel = await channelOf(bus, name)
  if (channel === undefined) return false
  const removed = await bus.link.run('removeSchedule', bus.key(channel), name)
  await bus.link.command('HDEL', registryKeys(bus.options.prefix).schedules, name)
  return removed === 1
}

export async function listSchedules(bus: RedisBus): Promise<readonly ScheduleRecord[]> {
  const names = toMap(await bus.link.command('HGETALL', registryKeys(bus.options.prefix).schedules))
  const records: ScheduleRecord[] = []
  for (const [name, channel] of names) {
    const key = `${bus.key(channel)}:schedules`
    const commands = new Commands().add('HGET', key, name).add('HGET', `${key}:next`, name).add('HGET', `${key}:body`, name)
    const [json, next, body] = await ask(bus, commands)
    if (typeof json !== 'string' || !(body instanceof Uint8Array)) continue
    const { envelope, sizeBytes } = unpack(body)
    records.push({ name, message: { channel, envelope, sizeBytes }, ...(JSON.parse(json) as StoredSchedule), nextAtMs: Number(next) })
  }
  return records.sort((a, b) => (a.name < b.name ? -1 : 1))
}

export async function fireSchedule(bus: RedisBus, name: string, expectedAtMs: number, packed: Uint8Array, nextAtMs: number): Promise<boolean> {
  const channel = await channelOf(bus, name)
  if (channel === undefined) return false
  return (await bus.link.run('fireSchedule', bus.key(channel), name, expectedAtMs, packed, nextAtMs)) === 1
}
