/** Administration: figures are asked of the brokers, decisions are written where all read them. */
import {
  type ChannelStatus,
  type DeadLetter,
  type DeadLetterQuery,
  type Envelope,
  type GroupStatus,
  groupInUse,
  keepMessage,
  newId,
  type OutgoingMessage,
  queried,
  type ScheduleRecord,
  SluiceError,
  type TransportAdmin,
  unknownChannel,
  unknownGroup,
} from '@sluice/core/transport'
import { closed, toSluice } from '../errors.ts'
import type { KafkaBus } from '../kafka-bus.ts'
import type { LotState } from '../lot/lot-state.ts'
import { earliest, latest } from '../protocol/requests/topics.ts'
import type { ChannelEntry, GroupChange, GroupEntry } from '../registry/state.ts'
import type { Firings } from '../schedules/firings.ts'
import { fromRecord } from '../wire.ts'
import { groupStatus, membersOf } from './figures.ts'
import { LaterView } from './later-view.ts'
import { LotView } from './lot-view.ts'
import { progressOf } from './progress-view.ts'
import { offsetsAt, readStretches, sum } from './reading.ts'

/** See the header of this file. */
export class KafkaAdmin implements TransportAdmin {
  readonly #bus: KafkaBus
  readonly #inFlight: (channel: string, group: string) => number
  readonly #views: Map<string, LotView> = new Map()
  readonly #firings: Firings
  readonly #later: LaterView

  constructor(bus: KafkaBus, firings: Firings, inFlight: (channel: string, group: string) => number) {
    this.#bus = bus
    this.#firings = firings
    this.#later = new LaterView(bus)
    this.#inFlight = inFlight
  }

  async groups(channel?: string): Promise<readonly GroupStatus[]> {
    return this.#asked(async () => {
      const { state } = this.#bus.registry
      const rows = await Promise.all(
        state.groups(channel).map(async (group) => {
          try {
            return await this.#status(group)
          } catch (error) {
            // Removed while it was looked at.
            if (state.group(group.channel, group.group) === undefined) {
              this.#views.delete(`${group.channel}\n${group.group}`)
              return undefined
            }
            throw error
          }
        }),
      )
      return rows.filter((row) => row !== undefined)
    })
  }

  async channels(): Promise<readonly ChannelStatus[]> {
    return this.#asked(async () => {
      const { registry, names } = this.#bus
      const waiting = await this.#later.waiting()
      const found = [...registry.state.channels.values()].filter(({ kind }) => kind !== 'reply')
      return Promise.all(
        found.map(async ({ name, kind, partitions, unrouted }): Promise<ChannelStatus> => {
          const topic = names.channel(name)
          const [starts, ends] = await Promise.all([offsetsAt(this.#bus, topic, partitions, earliest), offsetsAt(this.#bus, topic, partitions, latest)])
          const stored = sum(ends)
          return { channel: name, kind, stored, kept: stored - sum(starts), unrouted: unrouted ?? stored, scheduled: waiting(name) }
        }),
      )
    })
  }

  async removeGroup(channel: string, group: string): Promise<void> {
    await this.#asked(async () => {
      const entry = this.#find(channel, group)
      const live = await membersOf(this.#bus, entry)
      if (live > 0) throw groupInUse(channel, group, live)
      await this.#bus.topology.removeGroup(channel, group)
      this.#views.delete(`${channel}\n${group}`)
    })
  }

  async setPaused(channel: string, group: string, paused: boolean): Promise<void> {
    await this.#asked(async () => {
      this.#find(channel, group)
      await this.#bus.registry.append({ op: 'paused', channel, group, paused })
    })
  }

  async replay(channel: string, group: string, fromMs: number | undefined, toMs: number | undefined): Promise<number> {
    return this.#asked(async () => {
      const entry = this.#find(channel, group)
      const { partitions, topic } = this.#channel(channel)
      const ends = await offsetsAt(this.#bus, topic, partitions, latest)
      const at = async (ms: number): Promise<number[]> =>
        (await offsetsAt(this.#bus, topic, partitions, Math.ceil(ms))).map((offset, i) => (offset < 0 ? (ends[i] ?? 0) : offset))
      const starts = fromMs === undefined ? await offsetsAt(this.#bus, topic, partitions, earliest) : await at(fromMs)
      const stops = toMs === undefined ? ends : await at(toMs)
      const ranges = starts.map((from, i) => [from, Math.max(from, stops[i] ?? from)] as const)
      const views = await progressOf(this.#bus, entry, partitions)
      const lots = await this.#view(entry)
      lots.with(views.map(({ lotNotes }) => lotNotes)).forEach((state, i) => refuseSplit(state, ...(ranges[i] ?? [0, 0])))
      const count = sum(views.map(({ progress }, i) => progress.undo(...(ranges[i] ?? [0, 0]))))
      await this.#change(entry, { kind: 'again', ranges })
      return count
    })
  }

  async purge(channel: string, group: string): Promise<number> {
    return this.#asked(async () => {
      const entry = this.#find(channel, group)
      const { partitions, topic } = this.#channel(channel)
      const { backlog } = await this.#status(entry)
      await this.#change(entry, { kind: 'purge', before: await offsetsAt(this.#bus, topic, partitions, latest) })
      return backlog
    })
  }

  async deadLetters(channel: string, group: string, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    return this.#asked(async () => {
      const { states } = await this.#lots(this.#find(channel, group))
      return matching(states, query).map(({ letter }) => letter)
    })
  }

  redrive(channel: string, group: string, query: DeadLetterQuery): Promise<number> {
    return this.#moveLetters('redrive', channel, group, query)
  }

  discard(channel: string, group: string, query: DeadLetterQuery): Promise<number> {
    return this.#moveLetters('discard', channel, group, query)
  }

  async browse(
    channel: string,
    { after, limit }: { readonly after?: string; readonly limit: number },
  ): Promise<{ readonly messages: readonly Envelope[]; readonly next: string | undefined }> {
    return this.#asked(async () => {
      const { partitions, topic } = this.#channel(channel)
      const [starts, ends] = await Promise.all([offsetsAt(this.#bus, topic, partitions, earliest), offsetsAt(this.#bus, topic, partitions, latest)])
      const cursor = after?.split(',').map(Number) ?? []
      const found: { readonly partition: number; readonly offset: number; readonly storedAtMs: number; readonly envelope: Envelope }[] = []
      const counts = starts.map(() => 0)
      const stretches = ends.map((to, partition) => ({ partition, from: Math.max(starts[partition] ?? 0, cursor[partition] ?? 0), to }))
      await readStretches(this.#bus, topic, stretches, (partition, records) => {
        for (const record of records) {
          if ((counts[partition] ?? 0) >= limit) break
          counts[partition] = (counts[partition] ?? 0) + 1
          found.push({ partition, offset: record.offset, ...fromRecord(record, topic) })
        }
        return (counts[partition] ?? 0) < limit
      })
      // Ids of one producer grow, so those of one millisecond are in the order of its calls.
      found.sort((a, b) => a.storedAtMs - b.storedAtMs || (a.partition === b.partition ? a.offset - b.offset : a.envelope.id < b.envelope.id ? -1 : 1))
      const page = found.slice(0, limit)
      const next = starts.map((start, partition) => Math.max(start, cursor[partition] ?? 0))
      for (const { partition, offset } of page) next[partition] = offset + 1
      return {
        messages: page.map(({ envelope }) => envelope),
        next: found.length > limit || (page.length === limit && next.some((at, i) => at < (ends[i] ?? 0))) ? next.join() : undefined,
      }
    })
  }

  cancel(channel: string, id: string): Promise<boolean> {
    return this.#asked(() => this.#later.cancel(channel, id))
  }

  putSchedule(schedule: ScheduleRecord): Promise<ScheduleRecord> {
    return this.#asked(async () => {
      const { registry } = this.#bus
      await registry.append({ op: 'schedule', schedule: { ...schedule, message: keepMessage(schedule.message) } })
      return registry.state.schedules.get(schedule.name) ?? schedule
    })
  }

  removeSchedule(name: string): Promise<boolean> {
    return this.#asked(async () => (await this.#bus.registry.append({ op: 'schedule-gone', name })) === 'done')
  }

  schedules(): Promise<readonly ScheduleRecord[]> {
    return this.#asked(async () => this.#bus.registry.state.schedules.all())
  }

  fireSchedule(name: string, expectedAtMs: number, message: OutgoingMessage, nextAtMs: number): Promise<boolean> {
    return this.#asked(() => this.#firings.fire(name, expectedAtMs, message, nextAtMs))
  }

  async #status(entry: GroupEntry): Promise<GroupStatus> {
    return groupStatus(this.#bus, entry, this.#channel(entry.channel), () => this.#view(entry), this.#inFlight(entry.channel, entry.group))
  }

  async #moveLetters(kind: 'redrive' | 'discard', channel: string, group: string, query: DeadLetterQuery): Promise<number> {
    return this.#asked(async () => {
      const { view, states } = await this.#lots(this.#find(channel, group))
      const ids = new Map<number, string[]>()
      for (const { partition, letter } of matching(states, query)) {
        const list = ids.get(partition) ?? []
        ids.set(partition, list)
        list.push(letter.deadLetterId)
      }
      return view.change(kind, ids)
    })
  }

  async #change({ channel, group }: GroupEntry, change: GroupChange): Promise<void> {
    await this.#bus.registry.append({ op: 'change', channel, group, id: newId(), change })
  }

  async #lots(entry: GroupEntry): Promise<{ readonly view: LotView; readonly states: readonly LotState[] }> {
    const { partitions } = this.#channel(entry.channel)
    const views = await progressOf(this.#bus, entry, partitions)
    const view = await this.#view(entry)
    return { view, states: view.with(views.map(({ lotNotes }) => lotNotes)) }
  }

  async #view({ channel, group }: GroupEntry): Promise<LotView> {
    const name = `${channel}\n${group}`
    let view = this.#views.get(name)
    if (view === undefined) {
      const { state } = this.#bus.registry
      const entry = (): GroupEntry | undefined => state.group(channel, group)
      view = new LotView(
        this.#bus,
        this.#bus.names.lot(channel, group),
        this.#channel(channel).partitions,
        () => entry() === undefined,
        () => entry()?.hasLot === true,
      )
      this.#views.set(name, view)
    }
    await view.read()
    return view
  }

  #channel(channel: string): Pick<ChannelEntry, 'partitions'> & { readonly topic: string } {
    const entry = this.#bus.registry.state.channels.get(channel)
    if (entry === undefined || entry.kind === 'reply') throw unknownChannel(channel)
    return { partitions: entry.partitions, topic: this.#bus.names.channel(channel) }
  }

  #find(channel: string, group: string): GroupEntry {
    const entry = this.#bus.registry.state.group(channel, group)
    if (entry === undefined) throw unknownGroup(channel, group)
    return entry
  }

  async #asked<T>(work: () => Promise<T>): Promise<T> {
    if (this.#bus.cluster.isClosed) throw closed()
    try {
      await this.#bus.registry.sync()
      return await work()
    } catch (error) {
      throw toSluice(error, 'administration')
    }
  }
}

/** Successors that are parked behind a dead letter of that time would come before it. */
function refuseSplit(state: LotState, from: number, to: number): void {
  for (const { parkedBy, entries } of state.lanes.values()) {
    const letter = parkedBy === undefined ? undefined : state.letters.get(parkedBy)
    if (letter === undefined || letter.offset < from || letter.offset >= to || entries.every(({ offset }) => offset < to)) continue
    throw new SluiceError('UNSUPPORTED', 'messages are parked behind a dead letter of this time, and would come before it', {
      fix: 'Redrive or discard the dead letters first, or replay up to now',
    })
  }
}

function matching(states: readonly LotState[], query: DeadLetterQuery): { readonly partition: number; readonly letter: DeadLetter }[] {
  const all = states.flatMap((state, partition) => state.deadLetters().map((letter) => ({ partition, letter })))
  return queried(all, ({ letter }) => letter, query)
}
