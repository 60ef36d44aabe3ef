/** Storing a batch inside a write transaction: into the log, or among the delayed messages, or nowhere (duplicates). */
import { keyHash, type OutgoingMessage, type SendFailure, SluiceError } from '@sluice/core/transport'
import { storeDelayed } from '../delay/delayed-rows.ts'
import { appendMessages } from '../log/append.ts'
import type { BlockEntry } from '../log/encode-block.ts'
import { unkeyedHash } from '../log/unkeyed-hash.ts'
import type { Database } from '../sqlite/connection.ts'
import type { UnknownSends } from './unknown-sends.ts'

/** Largest message, attributes and body: SQLite could hold more, a reader keeps whole blocks in memory. */
export const messageBytesMax: number = 64 * 1024 * 1024

export interface Stored {
  readonly failures: readonly SendFailure[]
  readonly duplicates: ReadonlyMap<number, string> | undefined
}

interface Target {
  readonly id: number
  readonly group_count: number
  readonly entries: BlockEntry[]
  /** Ids that it holds already, though nobody was told; read when the first such id comes again. */
  held: ReadonlySet<string> | undefined
}

/**
 * What one transaction stores, for any number of calls: messages of one channel share blocks, whoever sent them.
 * `store` each call's batch in order, then `append` once.
 */
export class OutgoingStore {
  readonly #db: Database
  readonly #nowMs: number
  readonly #unknown: UnknownSends | undefined
  readonly #targets: Map<string, Target | undefined> = new Map()

  /** `unknown`: sends of this process that are stored once, however often they come. */
  constructor(db: Database, nowMs: number, unknown?: UnknownSends) {
    this.#db = db
    this.#nowMs = nowMs
    this.#unknown = unknown === undefined || unknown.size === 0 ? undefined : unknown
  }

  /**
   * Takes what can be stored. `blocked`: channel and key of entries that failed in calls that overlap this one; what is
   * behind them must not overtake them.
   */
  store(messages: readonly OutgoingMessage[], blocked: ReadonlyMap<string, number>): Stored {
    const failures: SendFailure[] = []
    const failedHere = new Set<string>()
    let duplicates: Map<number, string> | undefined
    let target: Target | undefined
    let channel: string | undefined
    for (let index = 0; index < messages.length; index++) {
      const message = messages[index] as OutgoingMessage
      if (message.channel !== channel) {
        channel = message.channel
        target = this.#target(channel)
      }
      const key = message.envelope.partitionkey
      const behind =
        key !== undefined && (failedHere.size > 0 || blocked.size > 0) && (failedHere.has(`${channel}\n${key}`) || blocked.has(`${channel}\n${key}`))
      const failure = refusal(message, target, behind)
      if (failure !== undefined) {
        failures.push({ index, ...failure })
        if (key !== undefined) failedHere.add(`${channel}\n${key}`)
        continue
      }
      const { id, entries } = target as Target
      if (this.#unknown?.has(message.envelope.id) === true && this.#held(target as Target).has(message.envelope.id)) continue
      if (message.deduplicate !== undefined) {
        const first = deduplicate(this.#db, id, message, message.deduplicate, this.#nowMs)
        if (first !== undefined) {
          duplicates ??= new Map()
          duplicates.set(index, first)
          continue
        }
      }
      if (message.notBeforeMs !== undefined && message.notBeforeMs > this.#nowMs) storeDelayed(this.#db, id, message, message.notBeforeMs)
      else entries.push({ envelope: message.envelope, hash: key === undefined ? unkeyedHash() : keyHash(key), sizeBytes: message.sizeBytes })
    }
    return { failures, duplicates }
  }

  #target(channel: string): Target | undefined {
    if (this.#targets.has(channel)) return this.#targets.get(channel)
    const row = this.#db.get<{ id: number; group_count: number }>('SELECT id, group_count FROM channel WHERE name = ?', channel)
    const target = row === undefined ? undefined : { id: row.id, group_count: row.group_count, entries: [], held: undefined }
    this.#targets.set(channel, target)
    return target
  }

  #held(target: Target): ReadonlySet<string> {
    target.held ??= this.#unknown?.held(this.#db, target.id) ?? new Set()
    return target.held
  }

  /** Writes the blocks; `seq` is the commit's number. */
  append(seq: number): void {
    for (const target of this.#targets.values())
      if (target !== undefined && target.entries.length > 0) appendMessages(this.#db, target.id, target.entries, seq, this.#nowMs)
  }
}

/** Stores one batch that overlaps no other. */
export function storeOutgoing(db: Database, messages: readonly OutgoingMessage[], seq: number, nowMs: number): Stored {
  const store = new OutgoingStore(db, nowMs)
  const stored = store.store(messages, new Map())
  store.append(seq)
  return stored
}

function refusal(
  message: OutgoingMessage,
  target: Target | undefined,
  blocked: boolean,
): { readonly state: 'failed'; readonly error: SluiceError; readonly retryable: boolean } | undefined {
  if (blocked) return { state: 'failed', retryable: true, error: new SluiceError('NOT_SENT', 'an earlier message with the same key failed') }
  if (target === undefined || (message.rejectUnrouted === true && target.group_count === 0)) {
    return {
      state: 'failed',
      retryable: false,
      error: new SluiceError('UNROUTED', `nobody ${target === undefined ? 'declared the channel' : 'asks for messages of'} ${message.channel}`, {
        fix: "Start the consumer once, or name its group in the contract's groups",
      }),
    }
  }
  const { body } = message.envelope
  if (message.sizeBytes > messageBytesMax) {
    return {
      state: 'failed',
      retryable: false,
      error: new SluiceError('MESSAGE_TOO_LARGE', `the message has ${message.sizeBytes} bytes; the bus file takes up to ${messageBytesMax}`, {
        fix: 'Store the data elsewhere and send a reference',
      }),
    }
  }
  // TEXT is stored as UTF-8: a lone surrogate would come back as another character.
  if (typeof body === 'string' && !body.isWellFormed()) {
    return {
      state: 'failed',
      retryable: false,
      error: new SluiceError('NOT_SERIALIZABLE', 'the encoded data holds half a surrogate pair', { fix: 'Send such text as bytes' }),
    }
  }
  return undefined
}

/** Remembers the key; returns the id that is stored already if the window is open. */
function deduplicate(
  db: Database,
  channelId: number,
  message: OutgoingMessage,
  wanted: { readonly key: string; readonly windowMs: number },
  nowMs: number,
): string | undefined {
  const known = db.get<{ message_id: string }>(
    'SELECT message_id FROM deduplication WHERE channel_id = ? AND key = ? AND expires_at_ms > ?',
    channelId,
    wanted.key,
    nowMs,
  )
  if (known !== undefined) return known.message_id
  db.run(
    'INSERT OR REPLACE INTO deduplication (channel_id, key, message_id, expires_at_ms) VALUES (?, ?, ?, ?)',
    channelId,
    wanted.key,
    message.envelope.id,
    nowMs + wanted.windowMs,
  )
  return undefined
}
