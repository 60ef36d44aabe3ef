import {
  type ChannelStatus,
  type DeadLetter,
  type DeadLetterQuery,
  type Envelope,
  type GroupStatus,
  groupInUse,
  type OutgoingMessage,
  type ScheduleRecord,
  type TransportAdmin,
  unknownGroup,
} from '@sluice/core/transport'
import { closed, toSluice } from '../errors.ts'
import type { RedisBus } from '../redis-bus.ts'
import { Commands } from '../resp/command.ts'
import { isError, type RedisError, readReply } from '../resp/reply.ts'
import { readEntries } from '../wire/entries.ts'
import { pack } from '../wire/pack.ts'
import { after } from '../wire/position.ts'
import { findDead, listDead } from './dead-letters.ts'
import { channelNames, channelStatus, groupStatuses } from './groups.ts'
import { replayGroup, spanOf } from './replay.ts'
import { fireSchedule, listSchedules, putSchedule, removeSchedule } from './schedules.ts'

/** Dead letters put back or forgotten in one call of the server. */
const changedAtOnce = 200

/** Looking and changing from outside the message flow. */
export class RedisAdmin implements TransportAdmin {
  readonly #bus: RedisBus
  readonly #inHand: () => ReadonlyMap<string, number>
  readonly #changed: (channel: string) => Promise<void>
  readonly #isClosed: () => boolean

  /** `changed`: shows a change of a channel's groups to this process's members, which would hear of it by the bell only. */
  constructor(bus: RedisBus, inHand: () => ReadonlyMap<string, number>, changed: (channel: string) => Promise<void>, isClosed: () => boolean) {
    this.#bus = bus
    this.#inHand = inHand
    this.#changed = changed
    this.#isClosed = isClosed
  }

  groups(channel?: string): Promise<readonly GroupStatus[]> {
    return this.#do(async () => {
      const names = channel === undefined ? await channelNames(this.#bus) : [channel]
      const rows: GroupStatus[] = []
      for (const name of names) rows.push(...(await groupStatuses(this.#bus, name, this.#inHand())))
      return rows
    })
  }

  channels(): Promise<readonly ChannelStatus[]> {
    return this.#do(async () => {
      const rows: ChannelStatus[] = []
      for (const name of await channelNames(this.#bus)) {
        const row = await channelStatus(this.#bus, name)
        if (row !== undefined) rows.push(row)
      }
      return rows
    })
  }

  removeGroup(channel: string, group: string): Promise<void> {
    return this.#do(async () => {
      const members = Number(await this.#bus.link.run('removeGroup', this.#bus.key(channel), group))
      if (members < 0) throw unknownGroup(channel, group)
      if (members > 0) throw groupInUse(channel, group, members)
    })
  }

  setPaused(channel: string, group: string, paused: boolean): Promise<void> {
    return this.#do(async () => {
      if ((await this.#bus.link.run('pause', this.#bus.key(channel), group, paused ? 1 : 0)) === 0) throw unknownGroup(channel, group)
    })
  }

  replay(channel: string, group: string, fromMs: number | undefined, toMs: number | undefined): Promise<number> {
    return this.#do(async () => {
      const count = await replayGroup(this.#bus, channel, group, ...spanOf(fromMs, toMs))
      if (count === undefined) throw unknownGroup(channel, group)
      await this.#changed(channel)
      return count
    })
  }

  purge(channel: string, group: string): Promise<number> {
    return this.#do(async () => {
      const count = this.#counted(channel, group, await this.#bus.link.run('purge', this.#bus.key(channel), group))
      await this.#changed(channel)
      return count
    })
  }

  deadLetters(channel: string, group: string, query: DeadLetterQuery): Promise<readonly DeadLetter[]> {
    return this.#do(() => listDead(this.#bus, channel, group, query))
  }

  redrive(channel: string, group: string, query: DeadLetterQuery): Promise<number> {
    return this.#change('redrive', channel, group, query)
  }

  discard(channel: string, group: string, query: DeadLetterQuery): Promise<number> {
    return this.#change('discard', channel, group, query)
  }

  browse(
    channel: string,
    options: { readonly after?: string; readonly limit: number },
  ): Promise<{ readonly messages: readonly Envelope[]; readonly next: string | undefined }> {
    return this.#do(async () => {
      const from = options.after === undefined ? '-' : after(options.after)
      const entries = await this.#bus.link.call(new Commands().add('XRANGE', this.#bus.key(channel), from, '+', 'COUNT', options.limit), (source) => {
        if (isError(source)) throw readReply(source) as RedisError
        return readEntries(source)
      })
      return { messages: entries.map(({ envelope }) => envelope), next: entries.length < options.limit ? undefined : entries.at(-1)?.position }
    })
  }

  cancel(channel: string, id: string): Promise<boolean> {
    return this.#do(async () => (await this.#bus.link.run('cancel', this.#bus.key(channel), id)) === 1)
  }

  putSchedule(schedule: ScheduleRecord): Promise<ScheduleRecord> {
    return this.#do(() => putSchedule(this.#bus, schedule))
  }

  removeSchedule(name: string): Promise<boolean> {
    return this.#do(() => removeSchedule(this.#bus, name))
  }

  schedules(): Promise<readonly ScheduleRecord[]> {
    return this.#do(() => listSchedules(this.#bus))
  }

  fireSchedule(name: string, expectedAtMs: number, message: OutgoingMessage, nextAtMs: number): Promise<boolean> {
    return this.#do(() => fireSchedule(this.#bus, name, expectedAtMs, pack(message.envelope, message.sizeBytes), nextAtMs))
  }

  async #change(script: 'redrive' | 'discard', channel: string, group: string, query: DeadLetterQuery): Promise<number> {
    return this.#do(async () => {
      const key = this.#bus.key(channel)
      const ids = (await findDead(this.#bus, channel, group, query)).map(({ id }) => id)
      let count = this.#counted(channel, group, await this.#bus.link.run(script, key, group, ...ids.slice(0, changedAtOnce)))
      for (let at = changedAtOnce; at < ids.length; at += changedAtOnce)
        count += this.#counted(channel, group, await this.#bus.link.run(script, key, group, ...ids.slice(at, at + changedAtOnce)))
      return count
    })
  }

  #counted(channel: string, group: string, reply: unknown): number {
    const count = Number(reply)
    if (count < 0) throw unknownGroup(channel, group)
    return count
  }

  async #do<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isClosed()) throw closed()
    try {
      return await work()
    } catch (error) {
      throw toSluice(error, 'administration')
    }
  }
}
