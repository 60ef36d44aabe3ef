import {
  type Clock,
  type Consumer,
  type ConsumerObserver,
  type Delivery,
  type OutgoingMessage,
  type Random,
  type SendFailure,
  type SendOptions,
  type SendReport,
  SluiceError,
  type Subscription,
  seededRandom,
  type Topology,
  type Transport,
  type TransportAdmin,
  type TransportContext,
  type TransportFactory,
  type TransportFacts,
} from '@sluice/core/transport'

/** How much goes wrong. Rates are from 0 to 1, an event each; absent means 0. The same seed decides alike. */
export interface ChaosOptions {
  readonly seed: number
  /** A message is stored a second time, somewhere behind. Makes the fact `publishOrder` `sequence`. */
  readonly duplicateRate?: number
  /** A message is stored up to `reorderDistance` (default 8) places later. Makes the fact `publishOrder` `sequence`. */
  readonly reorderRate?: number
  readonly reorderDistance?: number
  /** The confirm of a message never comes: half of them are stored, half are not. */
  readonly unknownRate?: number
  /** A call of `accept` is lost, and reported so: its deliveries come again. */
  readonly lostSettlementRate?: number
  /** Confirms come up to this much later, ms. */
  readonly confirmDelayMsMax?: number
}

/** What a chaos transport did, for causes in a history and for proof that it did something. */
export interface ChaosCounts {
  duplicates: number
  reordered: number
  unknown: number
  lostSettlements: number
}

/** Wraps any transport so that what the SPI allows to go wrong does go wrong, often, and by a seed. */
export function chaosTransport(inner: TransportFactory, options: ChaosOptions): TransportFactory & { readonly counts: ChaosCounts } {
  const counts: ChaosCounts = { duplicates: 0, reordered: 0, unknown: 0, lostSettlements: 0 }
  let opened = 0
  return {
    schemes: inner.schemes,
    counts,
    open: async (url, context) => new ChaosTransport(await inner.open(url, context), context, options, counts, seededRandom(options.seed * 1_000 + opened++)),
  }
}

/** A call of `send` that waits to be mixed with its neighbours. */
interface WaitingCall {
  readonly batch: readonly OutgoingMessage[]
  readonly resolve: (report: SendReport) => void
  readonly reject: (error: unknown) => void
}

class ChaosTransport implements Transport {
  readonly facts: TransportFacts
  readonly admin: TransportAdmin
  readonly #inner: Transport
  readonly #clock: Clock
  readonly #options: ChaosOptions
  readonly #counts: ChaosCounts
  readonly #random: Random
  readonly #mixes: boolean
  #waiting: WaitingCall[] = []
  #mixing: Promise<void> | undefined
  // Keys with a failed entry whose call has not resolved yet, with how many calls.
  readonly #broken: Map<string, number> = new Map()

  constructor(inner: Transport, context: TransportContext, options: ChaosOptions, counts: ChaosCounts, random: Random) {
    this.#inner = inner
    this.#clock = context.clock
    this.#options = options
    this.#counts = counts
    this.#random = random
    this.#mixes = (options.duplicateRate ?? 0) > 0 || (options.reorderRate ?? 0) > 0
    this.facts = this.#mixes ? { ...inner.facts, publishOrder: 'sequence' } : inner.facts
    this.admin = inner.admin
  }

  declare(topology: Topology): Promise<void> {
    return this.#inner.declare(topology)
  }

  send(batch: readonly OutgoingMessage[], options: SendOptions = {}): Promise<SendReport> {
    if (options.transaction !== undefined) return this.#inner.send(batch, options)
    return this.#mixes ? this.#mix(batch) : this.#sendInOrder(batch, options)
  }

  async consume(subscription: Subscription, observer: ConsumerObserver): Promise<Consumer> {
    const consumer = await this.#inner.consume(subscription, observer)
    const accept = (deliveries: readonly Delivery[]): void => {
      if (!this.#happens(this.#options.lostSettlementRate)) {
        consumer.accept(deliveries)
        return
      }
      this.#counts.lostSettlements += deliveries.length
      consumer.release(deliveries)
      observer.settlementLost(deliveries, new SluiceError('SETTLEMENT_LOST', 'chaos lost a settlement'))
    }
    return new Proxy(consumer, {
      get: (target, name) => {
        if (name === 'accept') return accept
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  async close(): Promise<void> {
    await this.#mixing
    await this.#inner.close()
  }

  /** Keeps the promise of `publishOrder: 'kept'` while confirms get lost. */
  async #sendInOrder(batch: readonly OutgoingMessage[], options: SendOptions): Promise<SendReport> {
    const failures: SendFailure[] = []
    const passed: OutgoingMessage[] = []
    const places: number[] = []
    const brokenHere = new Set<string>()
    batch.forEach((message, index) => {
      const lane = laneOf(message)
      if (lane !== undefined && (this.#broken.has(lane) || brokenHere.has(lane))) {
        brokenHere.add(lane)
        failures.push({ index, state: 'failed', retryable: true, error: new SluiceError('NOT_SENT', 'an earlier message of the same key failed') })
        return
      }
      if (this.#happens(this.#options.unknownRate)) {
        this.#counts.unknown++
        failures.push(unknownConfirm(index))
        if (lane !== undefined) brokenHere.add(lane)
        if (this.#random() < 0.5) return
      }
      passed.push(message)
      places.push(index)
    })
    for (const lane of brokenHere) this.#broken.set(lane, (this.#broken.get(lane) ?? 0) + 1)
    const report = passed.length === 0 ? { failures: [] } : await this.#inner.send(passed, options)
    await this.#delay()
    for (const lane of brokenHere) {
      const left = (this.#broken.get(lane) ?? 1) - 1
      if (left === 0) this.#broken.delete(lane)
      else this.#broken.set(lane, left)
    }
    const known = new Set(failures.map((failure) => failure.index))
    for (const failure of report.failures) {
      const index = places[failure.index] as number
      if (!known.has(index)) failures.push({ ...failure, index })
    }
    return { failures: failures.sort((a, b) => a.index - b.index) }
  }

  /** Collects the calls of a moment, repeats and shifts messages, and sends them as the broker would have got them. */
  #mix(batch: readonly OutgoingMessage[]): Promise<SendReport> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject })
      this.#mixing ??= this.#pause(1).then(() => this.#sendMixed())
    })
  }

  async #sendMixed(): Promise<void> {
    const calls = this.#waiting
    this.#waiting = []
    this.#mixing = undefined
    const distance = this.#options.reorderDistance ?? 8
    const entries: { readonly call: number; readonly index: number; readonly message: OutgoingMessage; readonly at: number }[] = []
    const failures: SendFailure[][] = calls.map(() => [])
    for (const [call, { batch }] of calls.entries()) {
      for (const [index, message] of batch.entries()) {
        const at = entries.length
        if (this.#happens(this.#options.unknownRate)) {
          this.#counts.unknown++
          failures[call]?.push(unknownConfirm(index))
          if (this.#random() < 0.5) continue
        }
        const late = this.#happens(this.#options.reorderRate)
        if (late) this.#counts.reordered++
        entries.push({ call, index, message, at: late ? at + 1 + this.#random() * distance : at })
        if (!this.#happens(this.#options.duplicateRate)) continue
        this.#counts.duplicates++
        entries.push({ call: -1, index: 0, message, at: at + this.#random() * distance })
      }
    }
    entries.sort((a, b) => a.at - b.at)
    try {
      const report = await this.#inner.send(entries.map((entry) => entry.message))
      for (const failure of report.failures) {
        const entry = entries[failure.index]
        const told = entry === undefined ? undefined : failures[entry.call]
        if (entry !== undefined && told?.every((other) => other.index !== entry.index) === true) told.push({ ...failure, index: entry.index })
      }
    } catch (error) {
      for (const call of calls) call.reject(error)
      return
    }
    await this.#delay()
    for (const [i, call] of calls.entries()) call.resolve({ failures: (failures[i] ?? []).sort((a, b) => a.index - b.index) })
  }

  #happens(rate: number | undefined): boolean {
    return rate !== undefined && rate > 0 && this.#random() < rate
  }

  async #delay(): Promise<void> {
    const most = this.#options.confirmDelayMsMax ?? 0
    if (most > 0) await this.#pause(this.#random() * most)
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.setTimer(ms, resolve, { keepAlive: true }))
  }
}

function laneOf(message: OutgoingMessage): string | undefined {
  const key = message.envelope.partitionkey
  return key === undefined ? undefined : `${message.channel}\n${key}`
}

function unknownConfirm(index: number): SendFailure {
  return { index, state: 'unknown', retryable: true, error: new SluiceError('PUBLISH_UNKNOWN', 'chaos kept the confirm') }
}
