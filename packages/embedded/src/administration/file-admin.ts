import {
  type ChannelStatus,
  type DeadLetter,
  type DeadLetterQuery,
  type Envelope,
  type GroupStatus,
  type OutgoingMessage,
  type ScheduleRecord,
  SluiceError,
  type TransportAdmin,
  unknownChannel,
  unknownGroup,
} from '@sluice/core/transport'
import type { BusFile } from '../bus-file.ts'
import { cancelDelayed, isDelayed } from '../delay/delayed-rows.ts'
import { type ChannelRow, channelByName, dropAbandonedGroups, type GroupRow, groupByName, positionAtTime } from '../group/declare.ts'
import type { ProcessLease } from '../lease/process-lease.ts'
import { ChannelReader } from '../log/reader.ts'
import { advanceSchedule, putSchedule, removeSchedule, schedules } from '../schedule/schedule-rows.ts'
import { storeOutgoing } from '../send/store-outgoing.ts'
import type { Database } from '../sqlite/connection.ts'
import { storeError } from '../sqlite/errors.ts'
import { discardDeadLetters, listDeadLetters, redriveDeadLetters } from './dead-letters.ts'
import { purgeGroup, removeGroup, replayGroup } from './move-group.ts'
import { channelStatus, groupStatus } from './status.ts'

/** A page of a channel's messages; `next`: where the following page begins. */
interface Browsed {
  readonly messages: readonly Envelope[]
  readonly next: string | undefined
}

/** Administration of a bus file. Every change is on the disk when it resolves, and every process is told. */
export class FileAdmin implements TransportAdmin {
  readonly #bus: BusFile
  readonly #lease: ProcessLease
  readonly #inHand: () => ReadonlyMap<number, number>

  /** `inHand`: deliveries with the members of this process, by member id; others report theirs with their heartbeat. */
  constructor(bus: BusFile, lease: ProcessLease, inHand: () => ReadonlyMap<number, number>) {
    this.#bus = bus
    this.#lease = lease
    this.#inHand = inHand
  }

  get #db(): Database {
    if (this.#bus.closed) throw new SluiceError('TRANSPORT_CLOSED', 'the bus file was closed')
    return this.#bus.db
  }

  /** What SQLite says of a file that is damaged, typed. */
  #read<T>(work: (db: Database) => T): T {
    const db = this.#db
    try {
      return work(db)
    } catch (error) {
      throw storeError(error, this.#bus.path)
    }
  }

  async #change<T>(work: (db: Database, seq: number) => T): Promise<T> {
    if (this.#bus.closed) throw new SluiceError('TRANSPORT_CLOSED', 'the bus file was closed')
    let result: { readonly value: T } | undefined
    await this.#bus.writer.write(
      (db, seq) => {
        result = { value: work(db, seq) }
        this.#bus.markChanged(db)
      },
      { announce: true },
    )
    // This process hears no doorbell of its own.
    this.#bus.look()
    return (result as { readonly value: T }).value
  }

  async groups(channel?: string): Promise<readonly GroupStatus[]> {
    return this.#read((db) => groupStatus(db, this.#bus.clock.nowMs(), { inHand: this.#inHand(), gone: this.#lease.gone() }, channel))
  }

  async channels(): Promise<readonly ChannelStatus[]> {
    return this.#read(channelStatus)
  }

  async removeGroup(channel: string, group: string): Promise<void> {
    await this.#change((db) => {
      dropAbandonedGroups(db, this.#lease.expire(db, this.#lease.gone()))
      removeGroup(db, this.#group(db, channel, group))
    })
  }

  async setPaused(channel: string, group: string, paused: boolean): Promise<void> {
    await this.#change((db) => db.run('UPDATE consumer_group SET paused = ? WHERE id = ?', paused ? 1 : 0, this.#group(db, channel, group).id))
  }

  replay(channel: string, group: string, fromMs: number | undefined, toMs: number | undefined): Promise<number> {
    return this.#change((db) => {
      const where = this.#channel(db, channel)
      const from = fromMs === undefined ? where.first_position : positionAtTime(db, where, fromMs)
      const to = toMs === undefined ? where.next_position : positionAtTime(db, where, toMs)
      return replayGroup(db, where, this.#group(db, channel, group), from, to)
    })
  }

  purge(channel: string, group: string): Promise<number> {
    return this.#change((db) => purgeGroup(db, this.#channel(db, channel), this.#group(db, channel, group)))
  }

  async deadLetters(channel: string, group: string, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    return this.#read((db) => listDeadLetters(db, this.#group(db, channel, group).id, query, this.#bus.path))
  }

  redrive(channel: string, group: string, query: DeadLetterQuery): Promise<number> {
    return this.#change((db) => redriveDeadLetters(db, this.#group(db, channel, group).id, query))
  }

  discard(channel: string, group: string, query: DeadLetterQuery): Promise<number> {
    return this.#change((db) => discardDeadLetters(db, this.#group(db, channel, group).id, query))
  }

  async browse(channel: string, options: { readonly after?: string; readonly limit: number }): Promise<Browsed> {
    return this.#read((db) => this.#browse(db, this.#channel(db, channel), options))
  }

  #browse(db: Database, where: ChannelRow, options: { readonly after?: string; readonly limit: number }): Browsed {
    const reader = new ChannelReader(db, where.id, 0)
    const messages: Envelope[] = []
    let position = Math.max(where.first_position, options.after === undefined ? 1 : Number(options.after) + 1)
    while (messages.length < options.limit) {
      const block = reader.next(position, 0)
      if (block === undefined) return { messages, next: undefined }
      for (let index = Math.max(0, position - block.first); index < block.count && messages.length < options.limit; index++) {
        messages.push(block.envelopeAt(index))
        position = block.first + index + 1
      }
    }
    return { messages, next: position < where.next_position ? String(position - 1) : undefined }
  }

  async cancel(channel: string, id: string): Promise<boolean> {
    const where = this.#read((db) => channelByName(db, channel))
    if (where === undefined || !this.#read((db) => isDelayed(db, where.id, id))) return false
    const key = await this.#deduplicationKey(where.id, id)
    return this.#change((db) => {
      if (!cancelDelayed(db, where.id, id)) return false
      if (key !== undefined) db.run('DELETE FROM deduplication WHERE channel_id = ? AND key = ? AND message_id = ?', where.id, key, id)
      return true
    })
  }

  /** The key that a message was sent under. No index leads there, so a part at a time: there may be millions, and others wait. */
  async #deduplicationKey(channelId: number, id: string): Promise<string | undefined> {
    let from = ''
    for (let compare = '>='; ; compare = '>', await new Promise(setImmediate)) {
      const part = `SELECT key, message_id FROM deduplication WHERE channel_id = ? AND key ${compare} ? ORDER BY key LIMIT 5000`
      const rows = this.#read((db) => db.all<{ key: string; message_id: string }>(part, channelId, from))
      const found = rows.find((row) => row.message_id === id)
      if (found !== undefined) return found.key
      const last = rows.at(-1)
      if (last === undefined) return undefined
      from = last.key
    }
  }

  putSchedule(schedule: ScheduleRecord): Promise<ScheduleRecord> {
    return this.#change((db) => putSchedule(db, schedule))
  }

  removeSchedule(name: string): Promise<boolean> {
    return this.#change((db) => removeSchedule(db, name))
  }

  async schedules(): Promise<readonly ScheduleRecord[]> {
    return this.#read(schedules)
  }

  async fireSchedule(name: string, expectedAtMs: number, message: OutgoingMessage, nextAtMs: number): Promise<boolean> {
    return this.#change((db, seq) => {
      if (!advanceSchedule(db, name, expectedAtMs, nextAtMs)) return false
      const { failures } = storeOutgoing(db, [message], seq, this.#bus.clock.nowMs())
      if (failures[0] !== undefined) throw failures[0].error
      return true
    })
  }

  #channel(db: Database, name: string): ChannelRow {
    const row = channelByName(db, name)
    if (row === undefined) throw unknownChannel(name)
    return row
  }

  #group(db: Database, channel: string, group: string): GroupRow {
    const row = groupByName(db, channel, group)
    if (row === undefined) throw unknownGroup(channel, group)
    return row
  }
}
