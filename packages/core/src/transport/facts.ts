/**
 * What a transport says about itself when it opens, from the server's version and settings, not from its name. The
 * guarantee compiler (endpoint/guarantees) turns facts × the needs of each handler into promises, and refuses to start
 * where a need is not met. The core branches on facts only.
 */
export interface TransportFacts {
  /** Short name for messages and metrics: `memory`, `embedded`, `kafka`. Never branched on. */
  readonly name: string
  /** Version of the server or engine, for people. */
  readonly serverVersion: string
  /**
   * What a resolved `send` means. `synced`: on disk (fsync) before the confirm. `replicated`: in the memory of a
   * majority. `process`: in the memory of one process. `none`: nothing.
   */
  readonly confirm: 'synced' | 'replicated' | 'process' | 'none'
  /** How a delivery is held: a renewable lease, the connection, or a watermark. See design.md §6. */
  readonly settlement: 'lease' | 'connection' | 'watermark'
  /** Whether a settlement is confirmed by the transport (else it may be lost without notice). */
  readonly settlementConfirmed: boolean
  /** Longest time one delivery may stay unsettled while its consumer lives, ms; Infinity if unbounded. */
  readonly handlingMsMax: number
  /** How long a dead consumer keeps its deliveries from others at most, ms. */
  readonly takeOverMs: number
  /** Who keeps keyed order: the transport by `key`, by `partition` (a key never leaves one), or nobody. */
  readonly keyOrder: 'key' | 'partition' | 'none'
  /**
   * The number of a channel's partitions. `growing`: more can be added while messages flow, and a group may order the
   * whole channel whatever their number. `fixed`: it is settled when the channel is made (a declaration that wants more is
   * reported, and nothing changes), and only a channel of one partition can be ordered as a whole.
   */
  readonly partitions: 'growing' | 'fixed'
  /** `kept`: a failed send fails all later ones of its key, too, until it is resent. `sequence`: consumers must reorder by producer sequence (R4). */
  readonly publishOrder: 'kept' | 'sequence' | 'none'
  /** Durable parking lot per group for suspended and parked lanes. `none` refuses `onDeadLetter: 'park'` and long retries. */
  readonly parkingLot: 'durable' | 'process' | 'none'
  /** Attempts over the death of a consumer: exact, a floor (off by at most the number of deaths), or forgotten. */
  readonly attempts: 'exact' | 'floor' | 'none'
  /** Delayed sending: longest delay in ms (0: none), and whether delayed messages with a key are released in order of due time. */
  readonly delayedSend: { readonly delayMsMax: number; readonly keyed: boolean }
  /** Recurring schedules kept by the transport. */
  readonly schedules: boolean
  /** Whether one send reaches all groups (`transport`), or the publisher must copy (`publisher`). */
  readonly fanOut: 'transport' | 'publisher'
  /** One consumer group an instance, gone with it. */
  readonly broadcast: boolean
  /** Where a group that is new can start. */
  readonly lateGroup: 'start' | 'end'
  /** Whether messages stay readable after they were accepted, so that a group can be moved back. */
  readonly replay: boolean
  /** Where handler filters run. */
  readonly filter: 'client' | 'tag' | 'sql' | 'subject'
  /** `deduplicate` window: longest in ms (0: none). */
  readonly deduplicationMsMax: number
  /** Backlog figures. */
  readonly backlog: 'exact' | 'approximate' | 'none'
  /** Whether the number of live consumers of a group is known (requests can fail at once with NO_HANDLER). */
  readonly presence: boolean
  /** Priorities of messages. */
  readonly priority: boolean
  /** Whether concurrency can be bounded over all processes of a group. */
  readonly groupConcurrency: boolean
  /** Kind of application transaction that `send` can join: an SQLite connection on the same file, or none. */
  readonly transaction: 'sqlite' | 'none'
  /**
   * Stated by a transport that keeps nothing: a message reaches who is connected when it is sent, or nobody. Then there is
   * broadcast and nothing else; `instead` names what keeps messages, for the refusal. Default: at least once.
   */
  readonly atMostOnce?: { readonly instead: string }
  /** Largest message (attributes and body), bytes. */
  readonly messageBytesMax: number
  /** What else a person should know, one sentence each (retention shorter than …, everysec is not durable …). */
  readonly notes: readonly string[]
}
