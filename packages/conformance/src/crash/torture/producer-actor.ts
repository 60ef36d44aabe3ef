import { type Bus, connect, type PublishReceipt } from '@sluice/core'
import { newId, type Random, seededRandom, type TransportFactory } from '@sluice/core/transport'
import { HistoryRecorder } from '../../history/index.ts'
import type { BeginTransaction } from '../../suite/rig.ts'
import type { Actor, ActorOrder } from './actor-order.ts'
import { isUnknown } from './consumer-actor.ts'
import { MovableClock } from './movable-clock.ts'
import { hashOf, noticeChannel, orderChannel, questionChannel, type TortureContracts, type TortureOrder, tortureContracts, workChannel } from './orders.ts'
import type { ProducerPlan } from './plan.ts'

/** Longer than any run: what is repeated within it must not be stored twice. */
const windowMs = 600_000

/** No run is to end in a backlog that takes minutes. */
const countMax = 800

interface Sending {
  readonly order: TortureOrder
  readonly id: string
  readonly contract: 'placed' | 'paid'
  readonly options: {
    readonly id: string
    readonly delayMs?: number
    readonly expiresInMs?: number
    readonly deduplicate?: { readonly key: string; readonly windowMs: number }
  }
}

/** How long an answer is waited for, ms: longer than a lease, and no run waits for it. */
const answerMs = 4_000

/** Publishes orders until it is stopped, and writes down what it was told. */
export class ProducerActor implements Actor {
  readonly #order: ActorOrder
  readonly #plan: ProducerPlan
  readonly #recorder: HistoryRecorder
  readonly #clock: MovableClock
  readonly #contracts: TortureContracts
  readonly #random: Random
  readonly #factory: TransportFactory
  readonly #beginTransaction: BeginTransaction | undefined
  readonly #sqlite: unknown
  #bus: Bus | undefined
  #seq = 0
  #stopping = false
  #closed = false
  #running: Promise<void> = Promise.resolve()
  readonly #questions: Set<Promise<void>> = new Set()

  constructor(order: ActorOrder, factory: TransportFactory, beginTransaction: BeginTransaction | undefined, sqlite: unknown) {
    if (order.role.part !== 'producer') throw new Error('not a producer')
    this.#order = order
    this.#plan = order.plan.producers[order.role.producer] as ProducerPlan
    this.#recorder = new HistoryRecorder(order.history, order.proc)
    this.#clock = new MovableClock(order.clockMs)
    this.#contracts = tortureContracts(order.plan.partitions)
    this.#random = seededRandom(order.plan.seed * 31 + order.role.producer)
    this.#factory = factory
    this.#beginTransaction = beginTransaction
    this.#sqlite = sqlite
  }

  async start(): Promise<void> {
    const { place, proc } = this.#order
    this.#bus = await connect({
      service: proc,
      url: place.url,
      transports: [this.#factory],
      transportOptions: place.options,
      logger: false,
      clock: this.#clock,
      ...(this.#sqlite === undefined ? {} : { sqlite: this.#sqlite }),
    })
    this.#running = this.#run()
  }

  calm(): void {
    this.#stopping = true
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#running
    await Promise.all(this.#questions)
    await this.#bus?.stop({ deadlineMs: 3_000 })
    this.#closed = true
    this.#recorder.close()
  }

  jump(ms: number): void {
    this.#clock.jump(ms)
  }

  async #run(): Promise<void> {
    while (!this.#stopping && this.#seq < countMax) {
      const some = Array.from({ length: this.#plan.batch }, () => this.#next())
      switch (this.#plan.style) {
        case 'one by one':
          for (const sending of some) if (!this.#stopping) await this.#publish(sending)
          break
        case 'at once':
          await Promise.all(some.map((sending) => this.#publish(sending)))
          break
        case 'many':
          await this.#publishMany(some)
          break
        case 'transaction':
          await this.#publishInTransaction(some.slice(0, 8))
      }
      await this.#sendOthers(some.length)
      await new Promise((resolve) => setTimeout(resolve, this.#plan.pauseMs))
    }
  }

  #make(): TortureOrder {
    const seq = this.#seq++
    const random = this.#random
    const keyed = random() >= this.#plan.unkeyedShare
    return {
      producer: this.#order.proc,
      seq,
      key: keyed ? `k${Math.floor(random() * this.#plan.keys)}` : null,
      text: 'x'.repeat(random() < 0.01 ? 30_000 : seq % 97),
    }
  }

  #next(): Sending {
    const random = this.#random
    const { proc } = this.#order
    const order = this.#make()
    const { seq } = order
    const id = newId()
    const delayMs = random() < this.#plan.delayedShare ? Math.floor(random() * 600) : undefined
    const expiresInMs = random() < this.#plan.expiringShare ? 20 + Math.floor(random() * 400) : undefined
    const repeated = random() < this.#plan.repeatedShare
    return {
      order,
      id,
      contract: random() < 0.3 && this.#plan.style !== 'many' ? 'paid' : 'placed',
      options: {
        id,
        ...(delayMs === undefined ? {} : { delayMs }),
        ...(expiresInMs === undefined || delayMs !== undefined ? {} : { expiresInMs }),
        // A hundred messages may say the same.
        ...(repeated ? { deduplicate: { key: `${proc}:${Math.floor(seq / 100)}`, windowMs } } : {}),
      },
    }
  }

  /** Commands, questions and notices beside `count` orders. */
  async #sendOthers(count: number): Promise<void> {
    const { work, question, notice } = this.#order.plan.shares
    const { contracts, bus } = { contracts: this.#contracts, bus: this.#bus as Bus }
    for (let i = 0; i < count && !this.#stopping; i++) {
      if (work > 0 && this.#random() < work) await this.#sendOther(workChannel, (order, id) => bus.send(contracts.work, order, { id, timeoutMs: 8_000 }))
      if (notice > 0 && this.#random() < notice)
        await this.#sendOther(noticeChannel, (order, id) => bus.publish(contracts.notice, order, { id, timeoutMs: 8_000 }))
      if (question > 0 && this.#random() < question) {
        const asked = this.#sendOther(questionChannel, (order, id) => this.#ask(order, id)).finally(() => this.#questions.delete(asked))
        this.#questions.add(asked)
      }
    }
  }

  async #ask(order: TortureOrder, id: string): Promise<void> {
    const answer = await (this.#bus as Bus).request(this.#contracts.question, order, { id, timeoutMs: answerMs })
    if (answer.producer === order.producer && answer.seq === order.seq) return
    setImmediate(() => {
      throw new Error(`${order.producer} ${order.seq} was answered with ${JSON.stringify(answer)}`)
    })
  }

  async #sendOther(channel: string, go: (order: TortureOrder, id: string) => Promise<unknown>): Promise<void> {
    const order = this.#make()
    const id = newId()
    this.#invoke({ order, id, options: {} }, undefined, channel)
    try {
      await go(order, id)
      if (!this.#closed) this.#recorder.record({ type: 'ok', f: 'send', id })
    } catch (error) {
      // Who asked in vain does not know whether it was heard.
      if (!this.#closed) this.#recorder.record({ type: channel === questionChannel || isUnknown(error) ? 'info' : 'fail', f: 'send', id })
    }
  }

  #invoke(
    { order, id, options }: Pick<Sending, 'order' | 'id'> & { readonly options: Omit<Sending['options'], 'id'> },
    tx?: string,
    channel = orderChannel,
  ): void {
    this.#recorder.record({
      type: 'invoke',
      f: 'send',
      channel,
      id,
      producer: order.producer,
      seq: order.seq,
      sha256: hashOf(order),
      ...(order.key === null ? {} : { key: order.key }),
      ...(options.delayMs === undefined ? {} : { dueMs: this.#clock.nowMs() + options.delayMs }),
      ...(options.deduplicate === undefined ? {} : { deduplicate: options.deduplicate.key }),
      ...(tx === undefined ? {} : { tx }),
    })
  }

  /** What was confirmed because it was there already is not stored under its own id: that must never be delivered. */
  #confirmed(id: string, receipt: PublishReceipt): void {
    if (!this.#closed)
      this.#recorder.record({
        type: receipt.duplicate && receipt.id !== id ? 'fail' : 'ok',
        f: 'send',
        id,
        ...(receipt.duplicate ? { storedAs: receipt.id } : {}),
      })
  }

  #failed(id: string, error: unknown): void {
    if (!this.#closed) this.#recorder.record({ type: isUnknown(error) ? 'info' : 'fail', f: 'send', id })
  }

  async #publish(sending: Sending): Promise<void> {
    this.#invoke(sending)
    try {
      this.#confirmed(sending.id, await (this.#bus as Bus).publish(this.#contracts[sending.contract], sending.order, { ...sending.options, timeoutMs: 8_000 }))
    } catch (error) {
      this.#failed(sending.id, error)
    }
  }

  async #publishMany(some: readonly Sending[]): Promise<void> {
    for (const sending of some) this.#invoke(sending)
    try {
      const receipts = await (this.#bus as Bus).publishMany(
        this.#contracts.placed,
        some.map(({ order, options }) => ({ data: order, ...options })),
        { timeoutMs: 8_000 },
      )
      for (const [i, receipt] of receipts.entries()) this.#confirmed((some[i] as Sending).id, receipt)
    } catch (error) {
      const entries = (error as { details?: { entries?: readonly { id: string; state: string }[] } }).details?.entries
      for (const { id } of some) {
        const state = entries?.find((entry) => entry.id === id)?.state
        if (!this.#closed) this.#recorder.record({ type: state === 'confirmed' ? 'ok' : state === 'failed' ? 'fail' : 'info', f: 'send', id })
      }
    }
  }

  async #publishInTransaction(some: readonly Sending[]): Promise<void> {
    if (this.#beginTransaction === undefined) return
    const tx = newId()
    const { transaction, commit, rollback } = await this.#beginTransaction(this.#order.place.url.slice())
    this.#recorder.record({ type: 'invoke', f: 'tx', tx })
    try {
      for (const sending of some) {
        this.#invoke(sending, tx)
        await (this.#bus as Bus).publish(this.#contracts[sending.contract], sending.order, { id: sending.id, tx: transaction })
      }
    } catch (error) {
      rollback()
      this.#recorder.record({ type: 'fail', f: 'tx', tx })
      if (!isDiskError(error)) throw error
      return
    }
    if (this.#random() < 0.2) {
      rollback()
      this.#recorder.record({ type: 'fail', f: 'tx', tx })
      return
    }
    try {
      commit()
      this.#recorder.record({ type: 'ok', f: 'tx', tx })
    } catch {
      this.#recorder.record({ type: 'info', f: 'tx', tx })
    }
  }
}

/** Errors that an injected fault of the disk causes in the application's own statements. */
function isDiskError(error: unknown): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return ['STORE_FULL', 'STORE_BUSY', 'STORE_SYNC_FAILED'].includes(String(code)) || /disk|full|I\/O|locked|busy/i.test(String(message))
}
