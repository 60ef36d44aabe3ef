import type { Clock, Random, Timer } from '../../clock/index.ts'
import type { SluiceError } from '../../errors/index.ts'
import type { Topology, Transport } from '../../transport/index.ts'
import { backoffMs } from './backoff.ts'
import { type PendingMessage, transportFailure } from './pending.ts'

/** What a gate needs. */
export interface ChannelGateOptions {
  readonly transport: Transport
  readonly clock: Clock
  readonly random: Random
  /** What a channel needs to exist. */
  topologyOf(channel: string): Topology
  /** The channel is there: these waited for it, in the order of the calls. */
  opened(waiting: readonly PendingMessage[]): void
  /** The channel cannot be made: these fail, each with its `lastError`. */
  refused(waiting: readonly PendingMessage[]): void
}

/** Declares each channel before its first message; messages wait meanwhile, those of other channels do not. */
export class ChannelGate {
  readonly #options: ChannelGateOptions
  readonly #declared: Set<string> = new Set()
  readonly #waiting: Map<string, PendingMessage[]> = new Map()
  readonly #timers: Set<Timer> = new Set()

  constructor(options: ChannelGateOptions) {
    this.#options = options
  }

  /** A channel that was declared elsewhere (with its handlers). */
  declared(channel: string): void {
    this.#declared.add(channel)
  }

  isDeclared(channel: string): boolean {
    return this.#declared.has(channel)
  }

  /** What must be declared yet for these channels; undefined: nothing. */
  missing(channels: Iterable<string>): Topology | undefined {
    const missing = [...new Set(channels)].filter((channel) => !this.#declared.has(channel)).map((channel) => this.#options.topologyOf(channel))
    return missing.length === 0 ? undefined : { channels: missing.flatMap((part) => part.channels), groups: missing.flatMap((part) => part.groups) }
  }

  /** True when its channel is there; else it waits here. */
  passes(pending: PendingMessage): boolean {
    const { channel } = pending.message
    if (this.#declared.has(channel)) return true
    const waiting = this.#waiting.get(channel)
    if (waiting !== undefined) waiting.push(pending)
    else {
      this.#waiting.set(channel, [pending])
      this.#declare(channel, 0)
    }
    return false
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel()
  }

  #declare(channel: string, attempt: number): void {
    this.#options.transport.declare(this.#options.topologyOf(channel)).then(
      () => {
        this.#declared.add(channel)
        this.#options.opened(this.#take(channel))
      },
      (error: unknown) => this.#failed(channel, transportFailure(error), attempt),
    )
  }

  #failed(channel: string, error: SluiceError, attempt: number): void {
    const waiting = this.#take(channel).filter((pending) => pending.state === 'waiting')
    for (const pending of waiting) pending.lastError = error
    // A connection comes back; a contradiction does not.
    if (error.scope !== 'connection') {
      this.#options.refused(waiting)
      return
    }
    if (waiting.length === 0) return
    this.#waiting.set(channel, waiting)
    const timer = this.#options.clock.setTimer(
      backoffMs(attempt, this.#options.random),
      () => {
        this.#timers.delete(timer)
        this.#declare(channel, attempt + 1)
      },
      { keepAlive: true },
    )
    this.#timers.add(timer)
  }

  #take(channel: string): PendingMessage[] {
    const waiting = this.#waiting.get(channel) ?? []
    this.#waiting.delete(channel)
    return waiting
  }
}
