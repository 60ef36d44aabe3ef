import {
  type AttemptRecord,
  type Consumer,
  type ConsumerObserver,
  type DeadLetterRecord,
  type Delivery,
  type Envelope,
  firstDelivery,
  fromStructured,
  isSluiceError,
  type Subscription,
  sizeOf,
  type TransportContext,
} from '@sluice/core/transport'

/** The one partition of a listener: it owns all that it hears. */
const partition = 'all'
/** What is heard and cannot be handled yet is bounded; beyond, the newest is lost. */
const waitingCountMax = 10_000
const waitingBytesMax = 64 * 1024 * 1024
const messageBytesMax = 64 * 1024 * 1024
/** Between reports of losses, ms. */
const reportEveryMs = 10_000

interface HeardDelivery extends Delivery {
  state: 'waiting' | 'delivered' | 'settled'
}

/** Hears a channel while it is connected. Nothing of it outlives the process. */
export class Listener implements Consumer {
  readonly lot = undefined
  readonly #context: TransportContext
  readonly #subscription: Subscription
  readonly #observer: ConsumerObserver
  readonly #leave: (listener: Listener) => void
  #waiting: HeardDelivery[] = []
  #waitingBytes = 0
  #inHand = 0
  #wake: (() => void) | undefined
  #closed = false
  #lost = 0
  #reportedAtMs = Number.NEGATIVE_INFINITY

  constructor(context: TransportContext, subscription: Subscription, observer: ConsumerObserver, leave: (listener: Listener) => void) {
    this.#context = context
    this.#subscription = subscription
    this.#observer = observer
    this.#leave = leave
  }

  get channel(): string {
    return this.#subscription.channel
  }

  get group(): string {
    return this.#subscription.group
  }

  /** Heard and not settled. */
  get backlog(): number {
    return this.#waiting.length + this.#inHand
  }

  get inFlight(): number {
    return this.#inHand
  }

  begin(): void {
    this.#observer.assigned(partition, [])
  }

  /** A message was published. */
  readonly heard = (payload: string | Uint8Array): void => {
    const receivedAtMs = this.#context.clock.nowMs()
    let envelope: Envelope
    try {
      envelope = fromStructured(payload, { receivedAtMs, bytesMax: messageBytesMax })
    } catch (error) {
      this.#drop('is no CloudEvent in JSON', error)
      return
    }
    const sizeBytes = sizeOf(envelope)
    if (this.#waiting.length >= waitingCountMax || this.#waitingBytes + sizeBytes > waitingBytesMax) {
      this.#drop(`came while ${this.#waiting.length} waited for their handlers`)
      return
    }
    this.#waitingBytes += sizeBytes
    this.#waiting.push({ ...firstDelivery, partition, envelope, storedAtMs: receivedAtMs, sizeBytes, state: 'waiting' })
    this.#wakeUp()
  }

  async receive(countMax: number, bytesMax: number): Promise<readonly Delivery[]> {
    while (!this.#closed) {
      const taken: HeardDelivery[] = []
      let bytes = 0
      const most = Math.min(countMax, this.#subscription.windowCount - this.#inHand)
      for (const delivery of this.#waiting) {
        if (taken.length >= most || (taken.length > 0 && bytes + delivery.sizeBytes > bytesMax)) break
        bytes += delivery.sizeBytes
        taken.push(delivery)
      }
      if (taken.length > 0) {
        for (const delivery of taken) delivery.state = 'delivered'
        this.#waiting = this.#waiting.slice(taken.length)
        this.#waitingBytes -= bytes
        this.#inHand += taken.length
        return taken
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    return []
  }

  accept(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries as readonly HeardDelivery[]) this.#settle(delivery)
    this.#wakeUp()
  }

  release(deliveries: readonly Delivery[]): void {
    const again: HeardDelivery[] = []
    for (const delivery of deliveries as readonly HeardDelivery[]) {
      if (delivery.state !== 'delivered') continue
      this.#settle(delivery)
      this.#waitingBytes += delivery.sizeBytes
      again.push({ ...delivery, deliveries: delivery.deliveries + 1, firstDeliveredAtMs: delivery.firstDeliveredAtMs ?? delivery.storedAtMs, state: 'waiting' })
    }
    this.#waiting = [...again, ...this.#waiting]
    this.#wakeUp()
  }

  record(_records: readonly AttemptRecord[]): Promise<void> {
    return Promise.resolve()
  }

  deadLetter(records: readonly DeadLetterRecord[]): Promise<void> {
    for (const { delivery, reason } of records) {
      this.#settle(delivery as HeardDelivery)
      const { id, type } = delivery.envelope
      this.#context.report({
        level: 'error',
        message: `${this.channel}: message ${id} (${type}) was given up and is gone, for publish/subscribe keeps nothing: ${reason.message}`,
      })
    }
    this.#wakeUp()
    return Promise.resolve()
  }

  flush(): Promise<void> {
    return Promise.resolve()
  }

  groupTypes(): ReadonlyMap<string, number> {
    return new Map(this.#subscription.types.map((type) => [type, 1]))
  }

  yieldPartition(): void {
    // Nobody else is in this group.
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#closed = true
    this.#leave(this)
    this.#wakeUp()
    return Promise.resolve()
  }

  #settle(delivery: HeardDelivery): void {
    if (delivery.state !== 'delivered') return
    delivery.state = 'settled'
    this.#inHand--
  }

  #drop(why: string, error?: unknown): void {
    this.#lost++
    const nowMs = this.#context.clock.monotonicMs()
    if (nowMs - this.#reportedAtMs < reportEveryMs) return
    this.#reportedAtMs = nowMs
    const known = isSluiceError(error) ? error : undefined
    const message = `${this.channel}: a message ${why}, and is gone${known === undefined ? '' : ` (${known.message})`}; ${this.#lost} so far`
    this.#context.report({ level: 'warn', message, ...(known === undefined ? {} : { error: known }) })
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }
}
