import type { Clock, SluiceError, TransportContext } from '@sluice/core/transport'
import { channelKey } from './keys.ts'
import { LogReader } from './log/reader.ts'
import type { Watch } from './log/watch.ts'
import type { RedisOptions } from './options.ts'
import type { Link } from './resp/link.ts'

/** What the parts of one open transport share. */
export class RedisBus {
  readonly context: TransportContext
  readonly options: RedisOptions
  /** Where everything goes but blocked reads. */
  readonly link: Link
  /** Where messages are sent: a connection of its own where replicas are waited for, which holds up everything on it. */
  readonly sending: Link
  readonly watch: Watch
  readonly #readers: Map<string, LogReader> = new Map()

  #declareAgain: (channel: string) => boolean = () => false

  constructor(context: TransportContext, options: RedisOptions, links: { readonly link: Link; readonly sending: Link }, watch: Watch) {
    this.context = context
    this.options = options
    this.link = links.link
    this.sending = links.sending
    this.watch = watch
  }

  get clock(): Clock {
    return this.context.clock
  }

  key(channel: string): string {
    return channelKey(this.options.prefix, channel)
  }

  /** The one reader of a channel in this transport. */
  reader(channel: string): LogReader {
    const key = this.key(channel)
    let reader = this.#readers.get(key)
    if (reader === undefined) {
      reader = new LogReader(key, this.link, this.watch)
      this.#readers.set(key, reader)
    }
    return reader
  }

  forgetReader(reader: LogReader): void {
    this.#readers.delete(reader.key)
    this.watch.remove(reader.key)
  }

  /** How a channel that this process declared is declared again; says whether it did declare it. */
  onGone(declareAgain: (channel: string) => boolean): void {
    this.#declareAgain = declareAgain
  }

  /** A channel is not on the server: declared again soon, if this process had declared it. Returns whether it had. */
  declareAgain(channel: string): boolean {
    return this.#declareAgain(channel)
  }

  /** The connection is back: what was being read is asked for again. */
  resetReaders(): void {
    for (const reader of this.#readers.values()) reader.reset()
  }

  report(level: 'info' | 'warn' | 'error', message: string, error?: SluiceError): void {
    this.context.report({ level, message, ...(error === undefined ? {} : { error }) })
  }
}
