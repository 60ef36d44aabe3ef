import assert from 'node:assert/strict'
import type { Consumer, ConsumerObserver, DeadLetterReason, Delivery, LotLane, ParkingLot, Subscription, Transport } from '@sluice/core/transport'

let patienceMs = 20_000

/** How long cases wait for something that must happen, ms (default 20,000). Less where a planted defect makes them wait in vain. */
export function setPatience(ms: number): void {
  patienceMs = ms
}

/** A member of a group under test: receives when told, and writes down what its observer hears. */
export class Probe {
  readonly owned: Set<string> = new Set()
  /** Lanes as last heard, by name. */
  readonly lanes: Map<string, LotLane> = new Map()
  readonly lost: string[] = []
  readonly lostDeliveries: Delivery[] = []
  readonly settlementsLost: Delivery[] = []
  readonly revoked: string[] = []
  isPaused = false
  #consumer: Consumer | undefined
  readonly #observer: ConsumerObserver
  readonly #revoking: Set<string> = new Set()
  readonly #waiting: Set<() => void> = new Set()
  #receiving: Promise<readonly Delivery[]> | undefined

  constructor(override: Partial<ConsumerObserver>) {
    this.#observer = {
      assigned: (partition, lanes) =>
        this.#note(() => {
          this.owned.add(partition)
          for (const lane of lanes) this.lanes.set(lane.lane, lane)
          override.assigned?.(partition, lanes)
        }),
      revoking: async (partition) => {
        this.#revoking.add(partition)
        this.#note(() => this.revoked.push(partition))
        await override.revoking?.(partition)
        this.#revoking.delete(partition)
        this.#note(() => this.owned.delete(partition))
      },
      lost: (partition) =>
        this.#note(() => {
          this.owned.delete(partition)
          this.lost.push(partition)
        }),
      lostDeliveries: (deliveries) => this.#note(() => this.lostDeliveries.push(...deliveries)),
      lotChanged: (partition, lanes) =>
        this.#note(() => {
          for (const lane of lanes) this.lanes.set(lane.lane, lane)
          override.lotChanged?.(partition, lanes)
        }),
      paused: (paused) =>
        this.#note(() => {
          this.isPaused = paused
        }),
      settlementLost: (deliveries) => this.#note(() => this.settlementsLost.push(...deliveries)),
    }
  }

  async join(transport: Transport, subscription: Subscription): Promise<void> {
    this.#consumer = await transport.consume(subscription, this.#observer)
  }

  get consumer(): Consumer {
    assert.ok(this.#consumer)
    return this.#consumer
  }

  get lot(): ParkingLot {
    assert.ok(this.consumer.lot, 'the transport has a parking lot')
    return this.consumer.lot
  }

  /** Whether its partition is still this member's to begin with: a delivery may be on its way when it is asked back. */
  mayBegin(delivery: Delivery): boolean {
    return delivery.partition === '' || (this.owned.has(delivery.partition) && !this.#revoking.has(delivery.partition))
  }

  /** Exactly `count` deliveries, in the order in which they came; nothing is settled. */
  async take(count: number): Promise<Delivery[]> {
    const taken: Delivery[] = []
    while (taken.length < count) taken.push(...(await within(this.receive(count - taken.length), () => `only ${taken.length} of ${count} deliveries came`)))
    return taken
  }

  /** Exactly `count`, each accepted. */
  async drain(count: number): Promise<Delivery[]> {
    const taken: Delivery[] = []
    while (taken.length < count) {
      const some = await this.#some(count, taken.length)
      taken.push(...some)
      this.consumer.accept(some)
    }
    await this.consumer.flush()
    return taken
  }

  /** One call of `receive`; a call that still pends from before is taken over. */
  receive(countMax = 1_000): Promise<readonly Delivery[]> {
    const receiving = this.#receiving ?? this.consumer.receive(countMax, 64 * 1024 * 1024)
    this.#receiving = receiving
    return receiving.finally(() => {
      if (this.#receiving === receiving) this.#receiving = undefined
    })
  }

  /** Whether nothing more comes within `ms`: for what must not happen, where no event can be awaited. */
  async quiet(ms = 60): Promise<void> {
    const receiving = this.receive(1)
    const came = await Promise.race([receiving, new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), ms))])
    // Still pending: the next call of receive gets its answer.
    if (came === undefined) this.#receiving = receiving
    assert.deepEqual(bodies(came ?? []), [], 'nothing more is delivered')
  }

  /** Takes everything that comes, gives it to `handle`, until closed. */
  async pump(handle: (deliveries: readonly Delivery[]) => void | Promise<void>, countMax = 1_000): Promise<void> {
    for (;;) {
      const deliveries = await this.receive(countMax)
      if (deliveries.length === 0) return
      await handle(deliveries)
    }
  }

  /** Resolves when `condition` holds, looked at after each call of the observer and whenever {@link look} is called. */
  async until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return
    await within(
      new Promise<void>((resolve) => {
        const check = (): void => {
          if (!condition()) return
          this.#waiting.delete(check)
          resolve()
        }
        this.#waiting.add(check)
      }),
      () => `waited for: ${what}`,
    )
  }

  look(): void {
    for (const check of this.#waiting) check()
  }

  /** Settles a delivery as dead. */
  deadLetter(delivery: Delivery, mode: 'park' | 'continue', lane: string = laneName(delivery), reason: Partial<DeadLetterReason> = {}): Promise<void> {
    return this.consumer.deadLetter([{ delivery, lane, mode, reason: { ...reasonOf(delivery), ...reason } }])
  }

  /** Reads one lane of the lot to its end, accepting as it goes. */
  async drainLane(name: string): Promise<Delivery[]> {
    const lane = this.lanes.get(name)
    assert.ok(lane, `the consumer knows lane ${name}`)
    const all: Delivery[] = []
    for (;;) {
      const some = await this.lot.read(lane.partition, name, 100)
      assert.ok(some !== undefined, 'the lane is not parked')
      all.push(...some)
      this.consumer.accept(some)
      await this.consumer.flush()
      if (some.length < 100) return all
    }
  }

  async #some(count: number, soFar: number): Promise<readonly Delivery[]> {
    const some = await within(this.receive(count - soFar), () => `only ${soFar} of ${count} deliveries came`)
    assert.ok(some.length > 0, 'a consumer that is not closed receives something')
    return some
  }

  #note(what: () => void): void {
    what()
    this.look()
  }
}

/** The lane of a delivery as the core names it. */
export function laneName(delivery: Delivery): string {
  const { partitionkey, id } = delivery.envelope
  return partitionkey === undefined ? `id:${id}` : `key:${partitionkey}`
}

export function bodies(deliveries: readonly Delivery[]): string[] {
  return deliveries.map((delivery) => String(delivery.envelope.body))
}

/** A reason with every field set. */
export function reasonOf(delivery: Delivery): DeadLetterReason {
  return {
    code: 'HANDLER_FAILED',
    message: 'it failed',
    stack: 'Error: it failed\n    at handler',
    attempts: delivery.attempt + 1,
    deliveries: delivery.deliveries + 1,
    firstDeliveredAtMs: 1,
    deadLetteredAtMs: 2,
    service: 'conformance',
    instanceId: 'i',
    fingerprint: 'f',
  }
}

/** Rejects with `what` if the promise takes too long. */
export async function within<T>(promise: Promise<T>, what: () => string, ms: number = patienceMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: what() })), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Asks again and again until the answer satisfies: for figures, which announce no change. */
export async function eventually<T>(ask: () => Promise<T>, satisfied: (answer: T) => boolean, what: string, ms: number = patienceMs): Promise<T> {
  const untilMs = performance.now() + ms
  for (;;) {
    const answer = await ask()
    if (satisfied(answer)) return answer
    assert.ok(performance.now() < untilMs, `waited for: ${what}; last: ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Bodies are numbers: per key they must grow. */
export function assertOrderPerKey(deliveries: readonly Delivery[]): void {
  const last = new Map<string, number>()
  for (const delivery of deliveries) {
    const key = delivery.envelope.partitionkey
    if (key === undefined) continue
    const number = Number(delivery.envelope.body)
    assert.ok(number > (last.get(key) ?? -1), `key ${key}: ${number} came after ${last.get(key)}`)
    last.set(key, number)
  }
}
