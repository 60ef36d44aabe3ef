import type { SluiceError } from '../../errors/index.ts'

/** What a producer can say about a message. All times are milliseconds. */
export interface PublishOptions {
  /** Message id, 1–255 characters. Default: a new UUID v7. The same id again is the same message to an inbox. */
  readonly id?: string
  /** Ordering key. Default: what the contract's `key` makes of the data. */
  readonly key?: string
  /** The application's own headers; names are lower-cased, values are text. */
  readonly headers?: Readonly<Record<string, string>>
  /** What the message is about (CloudEvents `subject`). */
  readonly subject?: string
  /** Tags to filter by, added to the contract's. */
  readonly tags?: readonly string[]
  /** The business sequence within the key (CloudEvents `sequence`). */
  readonly sequence?: string
  /** 0–9, higher first; 0 is the default. Other values are UNSUPPORTED where the transport has no priorities. */
  readonly priority?: number
  /** Deliver no earlier than this many ms from now. Not together with `at`. */
  readonly delayMs?: number
  /** Deliver no earlier than this time: a Date, or ms since the epoch. A past time means now. */
  readonly at?: Date | number
  /** Not delivered to a handler once this many ms have passed. Default: never expires. */
  readonly expiresInMs?: number
  /** A second message with this key in the channel within the window is confirmed, but not stored. */
  readonly deduplicate?: { readonly key: string; readonly windowMs: number }
  /** The conversation this message belongs to. Default: its own id; in a handler, that of the handled message. */
  readonly correlationId?: string
  /** Id of the message that caused this one. Default: none; in a handler, the handled message. */
  readonly causationId?: string
  /** W3C Trace Context to carry. */
  readonly traceparent?: string
  readonly tracestate?: string
  /** The application's open transaction on the transport's own database (fact `transaction`): commit ⇔ sent. */
  readonly tx?: unknown
  /** How long an unconfirmed message is sent again before the call rejects. Default 30,000. */
  readonly timeoutMs?: number
  /** Gives up: ABORTED if the message was certainly not sent, else PUBLISH_UNKNOWN. */
  readonly signal?: AbortSignal
}

/** One entry of `publishMany` and `sendMany`. */
export interface PublishEntry<Data> extends Omit<PublishOptions, 'tx' | 'timeoutMs' | 'signal'> {
  readonly data: Data
}

/** Options of a whole `publishMany` or `sendMany`. */
export type PublishManyOptions = Pick<PublishOptions, 'tx' | 'timeoutMs' | 'signal' | 'correlationId' | 'causationId' | 'traceparent' | 'tracestate'>

/** What a durable confirm resolves to. */
export interface PublishReceipt {
  /** Id of the message; of the stored one where `duplicate` is true. */
  readonly id: string
  /** True when `deduplicate` found an earlier message with this key. */
  readonly duplicate: boolean
}

/** Fate of one entry in the `entries` detail of PUBLISH_PARTIAL. */
export interface PublishOutcome {
  readonly id: string
  /** `confirmed`: stored. `failed`: certainly not stored. `unknown`: the confirm never came. */
  readonly state: 'confirmed' | 'failed' | 'unknown'
  readonly duplicate?: boolean
  /** Why not; code NOT_SENT where an earlier entry of the same key failed. */
  readonly error?: SluiceError
}
