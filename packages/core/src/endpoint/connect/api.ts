import type { Clock, Random } from '../../clock/index.ts'
import type { Codec, CompressionOptions } from '../../message/index.ts'
import type { RetryPolicy } from '../../policy/index.ts'
import type { TransportFactory } from '../../transport/index.ts'
import type { Bus } from '../bus/api.ts'
import type { Logger } from '../logging/logger.ts'

/** Bounds on what this bus holds and takes. */
export interface LimitOptions {
  /** Largest message, attributes and body, bytes. Default 1,048,576, or the transport's bound where that is lower. */
  readonly messageBytesMax?: number
  /** Messages that are sent and not confirmed, at most; beyond, `publish` rejects with BACKPRESSURE. Default 100,000. */
  readonly publishBufferCountMax?: number
  /** Their bytes. Default 67,108,864. */
  readonly publishBufferBytesMax?: number
  /** Deliveries of one group held by this process, at most. Default: eight times the concurrency (times the batch size), at least 1,024. */
  readonly windowCountMax?: number
  /** Their bytes. Default 16,777,216. */
  readonly windowBytesMax?: number
  /** Requests that wait for a reply, at most. Default 10,000. */
  readonly pendingRequestsMax?: number
}

/**
 * Options of `connect`. For `service`, `url` and `routes` the first that is given holds: the option here, the
 * environment (`SLUICE_SERVICE`, `SLUICE_URL`, `SLUICE_ROUTES`), `sluice.json` at the root, the default.
 */
export interface ConnectOptions {
  /** Name of the service: `source` of its messages and its default group. Lower-case words, `-`, `_` and `.`. */
  readonly service?: string
  /** Where messages go. Default `.sluice/bus.db` at the root of the workspace or repository; the absolute path is logged. */
  readonly url?: string
  /**
   * Other URLs for some channels, by name or pattern: `*` is one word, `**` any number of words. An exact name wins,
   * then the pattern with the longest literal beginning. In the environment: `shop.audit=kafka://…,shop.**=redis://…`.
   */
  readonly routes?: Readonly<Record<string, string>>
  /** Default retry of all handlers. */
  readonly retry?: Partial<RetryPolicy>
  /** pino, winston, console …; `false`: nothing is logged. Default: warnings and errors, and one line at start, on stderr. */
  readonly logger?: Logger | false
  /** Further transports, by URL scheme; they win over the built-in ones. */
  readonly transports?: readonly TransportFactory[]
  /**
   * Opens SQLite databases for `file:` URLs with the library the application uses, e.g. `(path) => new Database(path)` of
   * better-sqlite3, so that `tx` works with its connections: one SQLite library per process and file. Default: `node:sqlite`.
   */
  readonly sqlite?: unknown
  /** Further options for transports that need more than a URL, passed on as they are. */
  readonly transportOptions?: Readonly<Record<string, unknown>>
  readonly limits?: LimitOptions
  /** When bodies are compressed. Default: never. */
  readonly compression?: CompressionOptions
  /** Codecs for further media types; JSON, bytes and text are there. */
  readonly codecs?: readonly Codec[]
  /**
   * Longest time a failed keyed message is held in memory while it waits for its next attempt, ms; beyond, its lane is
   * suspended to the parking lot. Default 30,000, at most a third of what the transport allows for handling.
   */
  readonly holdMaxMs?: number
  /** Default: the system's. */
  readonly clock?: Clock
  /** Default: `Math.random`. */
  readonly random?: Random
}

/** Opens a bus. */
export type Connect = (options?: ConnectOptions) => Promise<Bus>
