import { groupInUse, unknownGroup } from '../refusals.ts'
import type { DeadLetterQuery, OutgoingMessage, ScheduleRecord, TransportAdmin } from '../transport.ts'
import type { Broker } from './broker.ts'
import type { Group } from './group.ts'

/** Administration of a memory broker. */
export function memoryAdmin(broker: Broker, mustBeOpen: () => void): TransportAdmin {
  const find = (channel: string, name: string): Group => {
    mustBeOpen()
    const group = broker.channels.get(channel)?.groups.get(name)
    if (group === undefined) throw unknownGroup(channel, name)
    return group
  }
  return {
    groups: async (channel) => {
      mustBeOpen()
      return [...broker.channels.values()]
        .filter((each) => channel === undefined || each.name === channel)
        .flatMap((each) => [...each.groups.values()].map((group) => group.status()))
    },
    channels: async () => {
      mustBeOpen()
      return [...broker.channels.values()].map((channel) => channel.status())
    },
    removeGroup: async (channel, name) => {
      const group = find(channel, name)
      if (group.members.size > 0) throw groupInUse(channel, name, group.members.size)
      group.channel.removeGroup(name)
    },
    setPaused: async (channel, name, paused) => find(channel, name).setPaused(paused),
    replay: async (channel, name, fromMs, toMs) => {
      const group = find(channel, name)
      return group.replay(broker.channels.get(channel)?.stored(fromMs, toMs) ?? [])
    },
    purge: async (channel, name) => find(channel, name).purge(),
    deadLetters: async (channel, name, query) => find(channel, name).lot.list(query),
    redrive: async (channel, name, query: DeadLetterQuery) => {
      const group = find(channel, name)
      const back = group.lot.redrive(query)
      for (const entry of back) group.pending.add(entry)
      return back.length
    },
    discard: async (channel, name, query) => find(channel, name).lot.discard(query),
    browse: async (channel, { after, limit }) => {
      mustBeOpen()
      const page = broker.channels.get(channel)?.browse(Number(after ?? 0), limit) ?? []
      return { messages: page.map((message) => message.envelope), next: page.length < limit ? undefined : String(page.at(-1)?.position) }
    },
    cancel: async (channel, id) => {
      mustBeOpen()
      return broker.channels.get(channel)?.cancel(id) ?? false
    },
    putSchedule: async (schedule: ScheduleRecord) => {
      mustBeOpen()
      const known = broker.schedules.get(schedule.name)
      const same = known !== undefined && known.cron === schedule.cron && known.timeZone === schedule.timeZone
      const record = same ? { ...schedule, nextAtMs: known.nextAtMs } : schedule
      broker.schedules.set(schedule.name, record)
      return record
    },
    removeSchedule: async (name) => {
      mustBeOpen()
      return broker.schedules.delete(name)
    },
    schedules: async () => {
      mustBeOpen()
      return [...broker.schedules.values()]
    },
    fireSchedule: async (name: string, expectedAtMs: number, message: OutgoingMessage, nextAtMs: number) => {
      mustBeOpen()
      const schedule = broker.schedules.get(name)
      if (schedule === undefined || schedule.nextAtMs !== expectedAtMs) return false
      const failure = broker.send([message], {}).failures[0]
      if (failure !== undefined) throw failure.error
      broker.schedules.set(name, { ...schedule, nextAtMs })
      return true
    },
  }
}
