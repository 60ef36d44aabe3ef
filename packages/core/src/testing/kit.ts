import { AssertionError } from 'node:assert'
import { isDeepStrictEqual } from 'node:util'
import { ManualClock, newId } from '../clock/index.ts'
import type { Contract, ContractInput, ContractOutput } from '../contract/index.ts'
import type { Bus } from '../endpoint/bus/api.ts'
import type { ConnectOptions } from '../endpoint/connect/api.ts'
import { connect } from '../endpoint/connect/connect.ts'
import { memoryTransport, type Transport } from '../transport/index.ts'
import { drain, turns } from './drain.ts'
import { type HandledMessage, type PublishedMessage, Recorder } from './recorder.ts'

/** Options of {@link createTestKit}. */
export interface TestKitOptions extends Omit<ConnectOptions, 'clock' | 'url' | 'routes'> {
  /** A clock of your own. Default: one that stands still until it is moved, at 2026-01-01T00:00:00Z. */
  readonly clock?: ManualClock
}

/** How long {@link TestKit.drained} waits, and what for. */
export interface DrainOptions {
  /**
   * Whether the clock is moved to the next timer when only messages that wait for time are left (retries, parked time).
   * Default true. Delayed messages and schedules that are not due are not waited for.
   */
  readonly moveClock?: boolean
  /** Real time after which it rejects and says what is left, ms. Default 5,000. */
  readonly timeoutMs?: number
}

/** A system of services in memory, with a clock that tests move. */
export interface TestKit extends AsyncDisposable {
  /** The first service's bus. Register handlers, then `await bus.start()`. */
  readonly bus: Bus
  readonly clock: ManualClock
  /** Another service, or another instance of one, on the same memory and clock. */
  connect(options?: Omit<TestKitOptions, 'clock'>): Promise<Bus>
  /** Moves the clock forward, timer by timer, and lets what they set off run. */
  advance(ms: number): Promise<void>
  /**
   * Resolves when every group with a consumer has handled (or dead-lettered) everything it can. Works while the clock
   * stands still. Parked lanes, paused groups and groups that nobody consumes are not waited for.
   */
  drained(options?: DrainOptions): Promise<void>
  /** What the kit's services sent so far, in order; of one contract, or of all. */
  published(): readonly PublishedMessage[]
  published<C extends Contract>(contract: C): readonly PublishedMessage<ContractInput<C>>[]
  /** What the kit's handlers were called with so far, each attempt once, in order; of one contract, or of all. */
  handled(): readonly HandledMessage[]
  handled<C extends Contract>(contract: C): readonly HandledMessage<ContractOutput<C>>[]
  /** Fails unless a message of this contract with (at least) these properties was sent. Returns the first one. */
  assertPublished<C extends Contract>(contract: C, data?: Partial<ContractInput<C>>): PublishedMessage<ContractInput<C>>
  /** Fails unless a handler returned for a message of this contract with (at least) these properties. Returns the first one. */
  assertHandled<C extends Contract>(contract: C, data?: Partial<ContractOutput<C>>): HandledMessage<ContractOutput<C>>
  /** Fails when any group gave a message up, and says why. */
  assertNoDeadLetters(): Promise<void>
  /** Forgets what was recorded. */
  clear(): void
  /** Stops all buses of the kit. */
  stop(): Promise<void>
}

/** Makes a {@link TestKit}. Each kit has a memory of its own. */
export async function createTestKit(options: TestKitOptions = {}): Promise<TestKit> {
  const kit = new MemoryKit(options)
  await kit.open()
  return kit
}

class MemoryKit implements TestKit {
  readonly clock: ManualClock
  readonly #options: TestKitOptions
  readonly #recorder = new Recorder()
  readonly #url = `memory:test-${newId()}`
  readonly #buses: Bus[] = []
  #observer: Transport | undefined

  constructor(options: TestKitOptions) {
    this.clock = options.clock ?? new ManualClock()
    this.#options = options
  }

  async open(): Promise<void> {
    this.#observer = await memoryTransport.open(this.#url, { clock: this.clock, service: 'test-kit', instanceId: newId(), report: () => {}, options: {} })
    await this.connect()
  }

  get bus(): Bus {
    return this.#buses[0] as Bus
  }

  async connect(options: Omit<TestKitOptions, 'clock'> = {}): Promise<Bus> {
    const bus = await connect({ service: 'test', logger: false, ...this.#options, ...options, clock: this.clock, url: this.#url, routes: {} })
    bus.use(this.#recorder.middleware(bus.service))
    this.#buses.push(bus)
    return bus
  }

  async advance(ms: number): Promise<void> {
    let leftMs = ms
    for (;;) {
      await turns()
      const nextMs = this.clock.nextTimerMs
      if (nextMs === undefined || nextMs > leftMs) break
      this.clock.advance(nextMs)
      leftMs -= nextMs
    }
    this.clock.advance(leftMs)
    await turns()
  }

  drained(options: DrainOptions = {}): Promise<void> {
    const { moveClock = true, timeoutMs = 5_000 } = options
    return drain({
      admin: (this.#observer as Transport).admin,
      clock: moveClock ? this.clock : undefined,
      timeoutMs,
      running: () => this.#recorder.running,
      progress: () => this.#recorder.handled.length,
    })
  }

  published(): readonly PublishedMessage[]
  published<C extends Contract>(contract: C): readonly PublishedMessage<ContractInput<C>>[]
  published(contract?: Contract): readonly PublishedMessage[] {
    return this.#recorder.published.filter((one) => contract === undefined || one.type === contract.name)
  }

  handled(): readonly HandledMessage[]
  handled<C extends Contract>(contract: C): readonly HandledMessage<ContractOutput<C>>[]
  handled(contract?: Contract): readonly HandledMessage[] {
    return this.#recorder.handled.filter((one) => contract === undefined || one.type === contract.name)
  }

  assertPublished<C extends Contract>(contract: C, data?: Partial<ContractInput<C>>): PublishedMessage<ContractInput<C>> {
    const found = this.published(contract).find((one) => contains(one.data, data))
    if (found !== undefined) return found
    throw missing(`no message of ${contract.name} was published`, data, this.published(contract))
  }

  assertHandled<C extends Contract>(contract: C, data?: Partial<ContractOutput<C>>): HandledMessage<ContractOutput<C>> {
    const found = this.handled(contract).find((one) => one.outcome === 'returned' && contains(one.data, data))
    if (found !== undefined) return found
    throw missing(`no message of ${contract.name} was handled`, data, this.handled(contract))
  }

  async assertNoDeadLetters(): Promise<void> {
    const rows = (await this.bus.inspect()).filter((row) => row.deadLetters > 0)
    if (rows.length === 0) return
    const errors = this.#recorder.handled
      .filter((one) => one.outcome === 'threw')
      .map((one) => `${one.type} ${one.id} attempt ${one.attempt}: ${String(one.error)}`)
    const text = rows.map((row) => `${row.deadLetters} in group ${row.group} of channel ${row.channel}`).join(', ')
    throw new AssertionError({
      message: `dead letters: ${text}${errors.length > 0 ? `\n${errors.slice(-10).join('\n')}` : ''}`,
      stackStartFn: this.assertNoDeadLetters,
    })
  }

  clear(): void {
    this.#recorder.published.length = 0
    this.#recorder.handled.length = 0
  }

  async stop(): Promise<void> {
    let stopped = false
    const stopping = Promise.all(this.#buses.map((bus) => bus.stop({ deadlineMs: 0 }))).finally(() => {
      stopped = true
    })
    // The clock stands still, so not even a deadline of 0 ms would come by itself.
    while (!stopped) {
      this.clock.advance(0)
      await turns(1)
    }
    await stopping
    await this.#observer?.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/** Whether `data` has at least these properties. */
function contains(data: unknown, part: unknown): boolean {
  if (part === undefined) return true
  if (typeof part !== 'object' || part === null || typeof data !== 'object' || data === null) return isDeepStrictEqual(data, part)
  return Object.entries(part).every(([name, value]) => isDeepStrictEqual((data as Record<string, unknown>)[name], value))
}

function missing(message: string, expected: unknown, actual: readonly { readonly data: unknown }[]): AssertionError {
  return new AssertionError({
    message: expected === undefined ? message : `${message} with these properties`,
    expected,
    actual: actual.map((one) => one.data),
    operator: 'contains',
  })
}
