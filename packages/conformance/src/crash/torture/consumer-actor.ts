import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type BatchEntry, type Bus, connect, type HandlerContext, Reject, RetryAfter } from '@sluice/core'
import { type Delivery, newId, type TransportFactory } from '@sluice/core/transport'
import { type HistoryEntry, HistoryRecorder } from '../../history/index.ts'
import type { Actor, ActorOrder } from './actor-order.ts'
import { MovableClock } from './movable-clock.ts'
import {
  behaviourOf,
  derivedChannel,
  hashOf,
  noticeChannel,
  noticeGroup,
  orderChannel,
  questionChannel,
  type TortureContracts,
  type TortureOrder,
  tortureContracts,
  workChannel,
} from './orders.ts'
import type { Behaviour, GroupPlan } from './plan.ts'
import { recordingFactory } from './recording-transport.ts'

/** An event loop that stood still for this share of the lease may have lost it. */
const standstillShare = 0.3

type About = Pick<HistoryEntry, 'channel' | 'group' | 'id' | 'key'>

/** Handles the orders of a group, misbehaving as the plan says, and what handlers derive from them. */
export class ConsumerActor implements Actor {
  readonly #order: ActorOrder
  readonly #group: GroupPlan
  readonly #recorder: HistoryRecorder
  readonly #clock: MovableClock
  readonly #contracts: TortureContracts
  readonly #factory: TransportFactory
  readonly #sqlite: unknown
  #bus: Bus | undefined
  #calm: boolean
  #derived = 0
  #closed = false
  #heartbeat: NodeJS.Timeout | undefined

  constructor(order: ActorOrder, factory: TransportFactory, sqlite: unknown) {
    if (order.role.part !== 'consumer') throw new Error('not a consumer')
    this.#order = order
    this.#group = order.plan.groups[order.role.group] as GroupPlan
    this.#calm = order.role.calm
    this.#recorder = new HistoryRecorder(order.history, order.proc)
    this.#clock = new MovableClock(order.clockMs)
    this.#contracts = tortureContracts(order.plan.partitions)
    this.#factory = recordingFactory(factory, { recorder: this.#recorder, confirm: order.plan.confirmSettlements, closed: () => this.#closed })
    this.#sqlite = sqlite
  }

  async start(): Promise<void> {
    const { place, plan } = this.#order
    const group = this.#group
    this.#watchStandstills()
    subscribe('sluice:skip', this.#skipped)
    const bus = await connect({
      service: group.name,
      url: place.url,
      transports: [this.#factory],
      transportOptions: place.options,
      logger: false,
      holdMaxMs: plan.holdMaxMs,
      clock: this.#clock,
      ...(this.#sqlite === undefined ? {} : { sqlite: this.#sqlite }),
    })
    this.#bus = bus
    const shared = {
      order: group.order,
      concurrency: group.concurrency,
      retry: { attempts: group.attempts, minDelayMs: 5, maxDelayMs: group.maxDelayMs },
      onDeadLetter: group.onDeadLetter,
      timeoutMs: group.timeoutMs,
      killSwitch: false as const,
    }
    const { placed, paid, derived } = this.#contracts
    if (group.batch === undefined) bus.on([placed, paid], (order, context) => this.#handle(order, context), shared)
    else bus.on([placed, paid], (entries) => this.#handleBatch(entries), { ...shared, batch: group.batch })
    if (this.#order.role.part === 'consumer' && this.#order.role.group === 0) {
      bus.on(derived, (order, { message, key }) => this.#ended(order, this.#aboutOf(derivedChannel, message.id, key)), { group: 'derived', killSwitch: false })
      this.#handleOthers(bus)
    }
    await bus.start()
    // From here on it hears every notice.
    if (plan.shares.notice > 0 && this.#order.role.part === 'consumer' && this.#order.role.group === 0) this.#recorder.record({ type: 'ok', f: 'join' })
  }

  /** What is for one of a group, and what is for every instance. */
  #handleOthers(bus: Bus): void {
    const { shares } = this.#order.plan
    const { notice, work, question } = this.#contracts
    const { attempts, maxDelayMs, concurrency, timeoutMs } = this.#group
    const retry = { attempts, minDelayMs: 5, maxDelayMs }
    if (shares.work > 0)
      bus.handle(work, (order, context) => this.#handle(order, context, workChannel), {
        ...{ concurrency, retry, timeoutMs, onDeadLetter: 'continue', killSwitch: false },
      })
    if (shares.question > 0)
      bus.handle(
        question,
        (order, { message, key }) => {
          this.#ended(order, this.#aboutOf(questionChannel, message.id, key))
          return { producer: order.producer, seq: order.seq }
        },
        { killSwitch: false },
      )
    if (shares.notice > 0)
      bus.on(notice, (order, { message, key }) => this.#ended(order, this.#aboutOf(noticeChannel, message.id, key)), { broadcast: true, killSwitch: false })
  }

  async stop(): Promise<void> {
    this.#recorder.record({ type: 'ok', f: 'leave' })
    await this.#bus?.stop({ deadlineMs: 3_000 })
    unsubscribe('sluice:skip', this.#skipped)
    clearInterval(this.#heartbeat)
    this.#closed = true
    this.#recorder.close()
  }

  calm(): void {
    this.#calm = true
  }

  jump(ms: number): void {
    this.#clock.jump(ms)
  }

  /** A frozen process, and a blocked loop, write down since when: what happened meanwhile has that cause. */
  #watchStandstills(): void {
    const limitMs = this.#order.plan.leaseMs * standstillShare
    let last = process.hrtime.bigint()
    this.#heartbeat = setInterval(() => {
      const now = process.hrtime.bigint()
      if (Number(now - last) / 1e6 > limitMs)
        this.#recorder.record({ type: 'ok', f: 'fault', fault: 'freeze', victim: this.#order.proc, sinceNs: Number(last) })
      last = now
    }, 20)
  }

  readonly #skipped = (event: unknown): void => {
    const { channel, delivery } = event as { readonly channel: string; readonly delivery: Delivery }
    const { id, partitionkey } = delivery.envelope
    this.#recorder.record({ ...this.#aboutOf(channel, id, partitionkey), type: 'ok', f: 'skip' })
  }

  #aboutOf(channel: string, id: string, key: string | undefined): About {
    return { channel, group: this.#groupOf(channel), id, ...(key === undefined ? {} : { key }) }
  }

  #groupOf(channel: string): string {
    if (channel === derivedChannel) return 'derived'
    if (channel === noticeChannel) return noticeGroup(this.#order.proc)
    return channel === orderChannel ? this.#group.name : channel
  }

  #begin(order: TortureOrder, about: About, attempt: number, run?: string): void {
    this.#recorder.record({
      ...about,
      type: 'invoke',
      f: 'deliver',
      sha256: hashOf(order),
      attempt,
      // Where clocks jump, nobody's time is another's.
      ...(this.#order.plan.faults.some(({ kind }) => kind === 'clock') ? {} : { wallMs: this.#clock.nowMs() }),
      ...(run === undefined ? {} : { run }),
    })
  }

  /** A handler that succeeds at once. */
  #ended(order: TortureOrder, about: About): void {
    this.#begin(order, about, 1)
    this.#recorder.record({ ...about, type: 'ok', f: 'deliver' })
  }

  async #handle(order: TortureOrder, context: HandlerContext, channel = orderChannel): Promise<void> {
    const { message, key, attempt, signal } = context
    const about = this.#aboutOf(channel, message.id, key)
    const group = { name: about.group as string, behaviours: this.#group.behaviours }
    this.#begin(order, about, attempt)
    const beginMs = performance.now()
    let over = false
    const end = (type: 'ok' | 'fail' | 'info'): void => {
      if (over || this.#closed) return
      over = true
      this.#recorder.record({ ...about, type, f: 'deliver' })
      // Given back, which is no attempt.
      if (type === 'info') this.#recorder.record({ ...about, type: 'ok', f: 'release' })
    }
    // Timed out, stopped or taken away: whatever it does from here on no longer counts.
    signal.addEventListener('abort', () => end((signal.reason as { code?: unknown }).code === 'HANDLER_TIMEOUT' ? 'fail' : 'info'), { once: true })
    try {
      await this.#behave(this.#calm ? 'return' : behaviourOf(this.#order.plan.seed, group, order, attempt), order, context)
    } catch (error) {
      end(error instanceof RetryAfter ? 'info' : 'fail')
      throw error
    }
    end('ok')
    this.#lateSince(beginMs)
  }

  async #behave(behaviour: Behaviour, order: TortureOrder, context: HandlerContext): Promise<void> {
    const { plan } = this.#order
    switch (behaviour) {
      case 'return':
        return
      case 'work':
        return pause((order.seq * 7) % 12)
      case 'throw':
        throw new Error('now and then')
      case 'reject':
        throw new Reject('no good')
      case 'reject-late':
        await pause(15)
        throw new Error('late')
      case 'retry-after':
        throw new RetryAfter(10)
      case 'retry-late':
        throw new RetryAfter(plan.holdMaxMs + 30)
      case 'hang':
        // Deaf to its signal, and returns after all when it is much too late.
        return pause(this.#group.timeoutMs * 3)
      case 'block':
        return block(plan.leaseMs * (order.seq % 2 === 0 ? 0.5 : 1.3))
      case 'derive':
        return this.#derive(order, context)
      case 'exit':
        process.exit(1)
        return
      case 'throw-unattended':
        setImmediate(() => {
          throw new Error('nobody catches this')
        })
        return pause(5)
    }
  }

  async #derive(order: TortureOrder, context: HandlerContext): Promise<void> {
    const data: TortureOrder = { producer: this.#order.proc, seq: this.#derived++, key: order.key, text: '' }
    const id = newId()
    this.#recorder.record({
      type: 'invoke',
      f: 'send',
      channel: derivedChannel,
      id,
      producer: data.producer,
      seq: data.seq,
      sha256: hashOf(data),
      ...(data.key === null ? {} : { key: data.key }),
    })
    try {
      await context.publish(this.#contracts.derived, data, { id, timeoutMs: 5_000 })
    } catch (error) {
      if (!this.#closed) this.#recorder.record({ type: isUnknown(error) ? 'info' : 'fail', f: 'send', id })
      throw error
    }
    if (!this.#closed) this.#recorder.record({ type: 'ok', f: 'send', id })
  }

  async #handleBatch(entries: readonly BatchEntry[]): Promise<void> {
    const beginMs = performance.now()
    const run = newId()
    const batch = entries.map((entry) => ({ entry, order: entry.data as TortureOrder, about: this.#aboutOf(orderChannel, entry.message.id, entry.key) }))
    for (const { entry, order, about } of batch) this.#begin(order, about, entry.attempt, run)
    const failedKeys = new Set<string>()
    await pause(2)
    for (const { entry, order, about } of batch) {
      const behaviour = this.#calm ? 'return' : behaviourOf(this.#order.plan.seed, this.#group, order, entry.attempt)
      const lane = this.#group.order === 'channel' ? '' : (entry.key ?? entry.message.id)
      const fails = behaviour === 'throw' || behaviour === 'reject'
      // `many`: behind a failed one the later ones of its lane go back to their place, which is no attempt.
      const type = failedKeys.has(lane) ? 'info' : fails ? 'fail' : 'ok'
      if (fails) {
        failedKeys.add(lane)
        entry.fail(behaviour === 'reject' ? new Reject('no good') : new Error('now and then'))
      } else if (behaviour === 'exit') process.exit(1)
      if (this.#closed) continue
      this.#recorder.record({ ...about, type, f: 'deliver' })
      if (type === 'info') this.#recorder.record({ ...about, type: 'ok', f: 'release' })
    }
    this.#lateSince(beginMs)
  }

  /** Later than it was allowed, or nearly (its time began with the turn that called it, and nobody tells a batch): it may count as timed out. */
  #lateSince(beginMs: number): void {
    if (this.#closed || performance.now() - beginMs < this.#group.timeoutMs / 2) return
    this.#recorder.record({ type: 'ok', f: 'fault', fault: 'settlement-lost', victim: this.#order.proc })
  }
}

/** Whether a failed publish may have been stored all the same. */
export const isUnknown = (error: unknown): boolean => (error as { code?: unknown }).code === 'PUBLISH_UNKNOWN'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function block(ms: number): void {
  const endMs = performance.now() + ms
  while (performance.now() < endMs);
}
