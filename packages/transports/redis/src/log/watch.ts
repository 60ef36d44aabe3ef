/**
 * The one blocked read of a transport: XREAD over the bells of all channels that it consumes, and over the ends of those
 * for which somebody waits. Who begins to wait while it blocks unblocks it (CLIENT UNBLOCK), and the read is made anew.
 */
import type { Clock } from '@sluice/core/transport'
import { Commands } from '../resp/command.ts'
import { ConnectionEnded } from '../resp/connection.ts'
import type { Link } from '../resp/link.ts'
import { isError, type RedisError, readArray, readReply, readText, type Source, skipNull } from '../resp/reply.ts'
import { type LogEntry, readEntries } from '../wire/entries.ts'
import { idBefore, type Position } from '../wire/position.ts'

/** A read that nobody wakes is made anew after this time, ms: a connection that is half open is noticed. */
const blockMs = 5_000
/** The same where the server does not tell which client this is, so that nothing can wake the read. */
const blindBlockMs = 50
/** After the server refused to read, ms. */
const retryMs = 1_000

/** A channel as the watch sees it. */
export interface Watched {
  readonly key: string
  /** Id of the last ring that was heard. */
  bellId: string
  /** Where entries are wanted from; undefined: not now. */
  wanted: Position | undefined
  /** Entries at most in one answer. */
  readonly countMax: number
  entries(from: Position, entries: readonly LogEntry[]): void
  rung(): void
  /** The server refused to read; it is asked again. */
  failed(error: Error): void
}

interface Heard {
  readonly key: string
  readonly entries: readonly LogEntry[] | undefined
  readonly bellId: string | undefined
}

export class Watch {
  readonly #link: Link
  readonly #control: Link
  readonly #clock: Clock
  readonly #channels: Map<string, Watched> = new Map()
  #running = false
  #closed = false
  // What the read that blocks now asks for, as text; and whether it is to be made anew.
  #asked = ''
  #unblocking = false

  constructor(link: Link, control: Link, clock: Clock) {
    this.#link = link
    this.#control = control
    this.#clock = clock
  }

  add(channel: Watched): void {
    this.#channels.set(channel.key, channel)
    this.look()
  }

  remove(key: string): void {
    this.#channels.delete(key)
  }

  /** Something is wanted that may not be asked for yet. */
  look(): void {
    if (this.#closed) return
    if (!this.#running) {
      this.#running = true
      void this.#run()
      return
    }
    if (this.#asked !== '' && !this.#unblocking && this.#wish() !== this.#asked) void this.#unblock()
  }

  close(): void {
    this.#closed = true
    this.#channels.clear()
  }

  // A channel that is asked for without need does no harm; one that is missing does.
  #wish(): string {
    let wish = ''
    for (const { key, wanted } of this.#channels.values()) wish += wanted === undefined ? `${key}\n` : `${key}\n${wanted}\n`
    return wish
  }

  async #unblock(): Promise<void> {
    this.#unblocking = true
    // It may arrive before the read does: then it says 0, and is sent again. And what is wished may have changed since.
    while (!this.#closed && this.#asked !== '' && this.#wish() !== this.#asked && this.#link.clientId !== 0) {
      const done = await this.#control.command('CLIENT', 'UNBLOCK', this.#link.clientId).catch(() => undefined)
      if (done !== 1) await new Promise<void>((resolve) => void this.#clock.setTimer(1, resolve))
    }
    this.#unblocking = false
  }

  async #run(): Promise<void> {
    while (!this.#closed && this.#channels.size > 0) {
      try {
        const connection = await this.#link.ready(60_000)
        const commands = this.#command()
        const watched = [...this.#channels.values()].map((channel) => ({ channel, from: channel.wanted }))
        this.#asked = this.#wish()
        const heard = await connection.call(commands, readHeard, blockMs).finally(() => {
          this.#asked = ''
        })
        for (const { channel, from } of watched) this.#tell(channel, from, heard)
      } catch (error) {
        this.#asked = ''
        if (error instanceof ConnectionEnded) continue
        for (const channel of this.#channels.values()) channel.failed(error instanceof Error ? error : new Error(String(error)))
        await new Promise<void>((resolve) => void this.#clock.setTimer(retryMs, resolve))
      }
    }
    this.#running = false
  }

  #command(): Commands {
    const keys: string[] = []
    const ids: string[] = []
    let count = 1_000
    for (const channel of this.#channels.values()) {
      keys.push(`${channel.key}:bell`)
      ids.push(channel.bellId)
      if (channel.wanted === undefined) continue
      count = Math.min(count, channel.countMax)
      keys.push(channel.key)
      ids.push(idBefore(channel.wanted))
    }
    return new Commands().add('XREAD', 'COUNT', count, 'BLOCK', this.#link.clientId === 0 ? blindBlockMs : blockMs, 'STREAMS', ...keys, ...ids)
  }

  #tell(channel: Watched, from: Position | undefined, heard: readonly Heard[]): void {
    for (const one of heard) {
      if (one.bellId !== undefined && one.key === `${channel.key}:bell`) {
        channel.bellId = one.bellId
        channel.rung()
      }
      if (one.entries !== undefined && from !== undefined && one.key === channel.key) channel.entries(from, one.entries)
    }
  }
}

function readHeard(source: Source): Heard[] {
  if (isError(source)) throw readReply(source) as RedisError
  if (skipNull(source)) return []
  const count = readArray(source)
  const heard: Heard[] = []
  for (let i = 0; i < count; i++) {
    readArray(source)
    const key = readText(source)
    if (key.endsWith('}:bell')) {
      const rings = readReply(source)
      const last = Array.isArray(rings) ? (rings.at(-1) as readonly unknown[] | undefined) : undefined
      heard.push({ key, entries: undefined, bellId: typeof last?.[0] === 'string' ? last[0] : undefined })
    } else heard.push({ key, entries: readEntries(source), bellId: undefined })
  }
  return heard
}
