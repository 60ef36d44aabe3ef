/**
 * One partition of a group in this member's hands: its queue and its parking lot, each on a channel of its own. Nothing
 * is ever cancelled or given back one by one: what is not settled when the partition goes is given back by closing the
 * channel, which puts it to the head, in order, before the next owner's consumer becomes the active one.
 */
import {
  attemptFields,
  type Clock,
  describeLane,
  type Envelope,
  type LotLane,
  leaseLost,
  type OutgoingMessage,
  SluiceError,
  type Timer,
  type TransportReport,
} from '@sluice/core/transport'
import type { Channel, ConsumeMessage } from 'amqplib'
import { operationError } from '../link/errors.ts'
import { hold } from '../link/held-queue.ts'
import type { Link } from '../link/link.ts'
import { type Lane, type LotEntry, type LotNote, LotState, lotMax } from '../lot/lot-state.ts'
import type { Publisher } from '../send/publisher.ts'
import { fromWire, numberOf, toWire } from '../wire.ts'
import { AckWindow } from './ack-window.ts'
import type { DeliveryOwner, RabbitDelivery } from './delivery.ts'
import { partitionPrefetch, prefetchMax } from './prefetch.ts'

/** Well below `consumer_timeout`, so that a handler that runs has time to end, ms. */
const renewMs = 20 * 60_000

/** What a partition needs of its consumer. */
export interface PartitionHome {
  readonly link: Link
  readonly publisher: Publisher
  readonly nowMs: () => number
  readonly clock: Clock
  readonly queue: (partition: string) => string
  readonly lotQueue: (partition: string) => string
  readonly hasLot: (partition: string) => boolean
  readonly makeLot: (partition: string) => Promise<void>
  readonly isOrphan: (partition: string) => boolean
  /** Looks whether somebody has died since the call before; for whoever holds what was given back. */
  readonly deathWatch: () => () => Promise<boolean>
  /** Queue of what comes first, after a change of the partitions; undefined: there is none. */
  readonly beforeQueue: (partition: string) => string | undefined
  /** It is empty for good. */
  readonly beforeDone: (partition: string) => void
  arrived(): void
  lanesChanged(partition: string, lanes: readonly LotLane[]): void
  gone(partition: OwnedPartition): void
  /** It is to be handed back and taken again. */
  renew(partition: OwnedPartition): void
  report(event: TransportReport): void
}

/** See the header of this file. */
export class OwnedPartition implements DeliveryOwner {
  readonly name: string
  readonly lot: LotState = new LotState()
  state: 'taking' | 'owned' | 'revoking' | 'gone' = 'taking'
  /** Read and not handed out, in order; given back ones first. */
  readonly buffer: RabbitDelivery[] = []
  /** Handed out and not settled. */
  readonly held: Set<RabbitDelivery> = new Set()
  readonly #home: PartitionHome
  /** Read before what comes first. */
  readonly #early: ConsumeMessage[] = []
  /** Open ones. */
  readonly #channels: Set<Channel> = new Set()
  #acks: AckWindow | undefined
  #beforeAcks: AckWindow | undefined
  #lotAcks: AckWindow | undefined
  #openingLot: Promise<void> | undefined
  /** Resolved when what we wrote to the lot has come back, by message id. */
  readonly #written: Map<string, { readonly resolve: () => void; readonly reject: (error: SluiceError) => void }> = new Map()
  #nextWrite = 0
  #nextPosition = 0
  #renewal: Timer | undefined
  #isOrphan = false
  /** Hands out what was read so far, and what comes. */
  #open = (): void => {}
  /** Stamps of what came with a count of deliveries. */
  readonly #givenBack: Set<string> = new Set()

  constructor(home: PartitionHome, name: string) {
    this.#home = home
    this.name = name
  }

  /** For looking into the lot of a partition that nobody owns. */
  static visitor(home: Pick<PartitionHome, 'link' | 'publisher' | 'clock' | 'nowMs' | 'lotQueue' | 'report'>, name: string): OwnedPartition {
    const partition = new OwnedPartition(
      {
        ...home,
        queue: () => '',
        hasLot: () => true,
        makeLot: async () => {},
        isOrphan: () => false,
        deathWatch: () => async () => false,
        beforeQueue: () => undefined,
        beforeDone: () => {},
        arrived: () => {},
        lanesChanged: () => {},
        gone: () => {},
        renew: () => {},
      },
      name,
    )
    partition.state = 'owned'
    return partition
  }

  /** Gets ready to own it: waits until the one before let go, and reads the parking lot. Rejects when it is lost meanwhile. */
  async take(): Promise<readonly LotLane[]> {
    const { publisher, clock, queue } = this.#home
    const channel = await this.#openChannel()
    this.#acks = new AckWindow(channel, queue(this.name), clock)
    this.#isOrphan = this.#home.isOrphan(this.name)
    const hasSomebodyDied = this.#home.deathWatch()
    await channel.prefetch(partitionPrefetch)
    const early = this.#early
    let isOpen = false
    const { active } = await hold({
      channel,
      queue: queue(this.name),
      publisher,
      clock,
      take: (message) => {
        if (isOpen) this.#arrived(message, this.#acks)
        else early.push(message)
      },
      settle: (tag) => this.#acks?.ack(tag),
      cancelled: () => this.lose(),
      aborted: () => this.state === 'gone',
    })
    await this.#orGone(active)
    // Given back by one who let go, or by one who died before anybody knew, and before we were to have it?
    if (!this.#isOrphan && early.some(({ fields }) => fields.redelivered)) this.#isOrphan = await hasSomebodyDied()
    if (this.#home.hasLot(this.name)) await this.#openLot()
    if (this.isGone) throw leaseLost()
    this.#open = () => {
      isOpen = true
      for (const message of early.splice(0)) this.#arrived(message, this.#acks)
    }
    return this.lanes()
  }

  /** It is owned from now on; call it in the turn in which the core hears so: a hand-over must not come between. */
  begin(): void {
    this.state = 'owned'
    this.#watchAge()
    void this.#readBefore().then(
      () => this.#open(),
      () => this.lose(),
    )
  }

  /**
   * The server closes a channel that holds a message for longer than `consumer_timeout` (30 min), in the middle of the
   * handlers' work: what has waited here for long (a parked lane, the end of a slow queue) is handed back in good order before.
   */
  #watchAge(): void {
    this.#renewal = this.#home.clock.setTimer(renewMs, () => {
      if (this.state !== 'owned') return
      if (this.unsettled > 0 || this.lot.lanes.size > 0) this.#home.renew(this)
      else this.#watchAge()
    })
  }

  /** What was there before the partitions changed; resolves when all of it has been read. */
  async #readBefore(): Promise<void> {
    const queue = this.#home.beforeQueue(this.name)
    if (queue === undefined) return
    const { publisher, clock } = this.#home
    const channel = await this.#openChannel()
    const acks = new AckWindow(channel, queue, clock)
    this.#beforeAcks = acks
    await channel.prefetch(partitionPrefetch)
    let count = 0
    const { read } = await hold({
      channel,
      queue,
      publisher,
      clock,
      take: (message) => {
        count++
        this.#arrived(message, acks)
      },
      settle: (tag) => acks.ack(tag),
      cancelled: () => undefined,
      aborted: () => this.isGone,
    })
    await this.#orGone(read)
    if (count > 0) return
    await acks.flush()
    this.#home.beforeDone(this.name)
  }

  lanes(): readonly LotLane[] {
    return this.lot.lanes.describe(this.name)
  }

  /** Everything unsettled of the partition's own queue. */
  get unsettled(): number {
    let held = 0
    for (const { fromLot } of this.held) if (!fromLot) held++
    return this.#early.length + this.buffer.length + held
  }

  // ------------------------------------------------------------ settling

  accept(delivery: RabbitDelivery): void {
    this.#settle(delivery)
    if (delivery.entry === undefined) {
      delivery.acks?.ack(delivery.tag)
      for (const tag of this.lot.forget(delivery.envelope.id)) this.#lotAcks?.ack(tag)
    } else for (const tag of this.lot.remove(delivery.entry)) this.#lotAcks?.ack(tag)
  }

  release(delivery: RabbitDelivery): void {
    this.#settle(delivery)
    if (delivery.entry !== undefined) {
      delivery.entry.isHeld = false
      return
    }
    const again: RabbitDelivery = {
      ...delivery,
      state: 'held',
      deliveries: delivery.deliveries + 1,
      firstDeliveredAtMs: delivery.firstDeliveredAtMs ?? this.#home.nowMs(),
    }
    let at = this.buffer.findIndex(({ position }) => position > delivery.position)
    if (at < 0) at = this.buffer.length
    this.buffer.splice(at, 0, again)
  }

  async flush(): Promise<void> {
    try {
      await Promise.all([this.#acks?.flush(), this.#beforeAcks?.flush(), this.#lotAcks?.flush()])
    } catch {
      // The channel closed: whoever held something has heard so.
    }
  }

  // ------------------------------------------------------------ the lot

  /** Writes notes, in this order; resolves when all of them have come back and were applied. */
  async write(notes: readonly { readonly note: LotNote; readonly message?: RabbitDelivery }[]): Promise<void> {
    await this.#openLot()
    const entries = notes.filter(({ note }) => note.kind === 'entry').length
    if (entries > 0 && (this.lot.count + entries > lotMax.count || this.lot.bytes > lotMax.bytes))
      throw new SluiceError('BACKPRESSURE', `the parking lot of partition ${this.name} is full: ${this.lot.count} messages, ${this.lot.bytes} bytes`, {
        fix: 'Redrive or discard dead letters, so that what is parked behind them can go on',
      })
    const { publisher, lotQueue } = this.#home
    const queue = lotQueue(this.name)
    await Promise.all(
      notes.map(async ({ note, message }) => {
        const id = `${this.#nextWrite++}`
        const back = new Promise<void>((resolve, reject) => this.#written.set(id, { resolve, reject }))
        back.catch(() => undefined)
        try {
          await putNote(publisher, queue, note, message, id)
        } catch (error) {
          this.#written.delete(id)
          throw error
        }
        await back
      }),
    )
  }

  read(name: string, countMax: number): readonly RabbitDelivery[] | undefined {
    return this.lot.lanes.free(name, countMax, ({ isHeld }) => isHeld)?.map((entry) => this.#fromLot(entry))
  }

  /** What was read of a lane and not settled is back in it. */
  void(lane: Lane): void {
    for (const delivery of [...this.held])
      if (delivery.entry?.lane === lane && delivery.entry.isHeld) {
        this.#settle(delivery, 'lost')
        delivery.entry.isHeld = false
      }
  }

  /** A lot was made for it by somebody else, or something was put into it. */
  async lookAtLot(): Promise<void> {
    if (this.state === 'owned' || this.state === 'revoking') await this.#openLot()
  }

  // ------------------------------------------------------------ the end

  /** Settles all it has, handed out or not, in the lot or not, and lets go. */
  async dropAll(): Promise<void> {
    for (const { tag, acks } of [...this.buffer, ...this.held]) acks?.ack(tag)
    for (const lane of this.lot.lanes.values()) for (const tag of [...lane.tags, ...lane.entries.map((entry) => entry.tag)]) this.#lotAcks?.ack(tag)
    await this.letGo()
  }

  /** Lets go: what is not settled comes again, here or elsewhere. */
  async letGo(): Promise<void> {
    if (this.state === 'gone') return
    // It takes a moment, in which it may become ready: it must not be owned then.
    if (this.state === 'taking') this.state = 'revoking'
    await this.flush()
    await this.#end()
  }

  /** It is gone: the connection broke, or the server closed a channel of ours. */
  lose(): void {
    if (this.state === 'gone') return
    void this.#end()
    this.#home.gone(this)
  }

  async #end(): Promise<void> {
    this.state = 'gone'
    this.#renewal?.cancel()
    this.#early.length = 0
    this.buffer.length = 0
    for (const delivery of this.held) delivery.state = 'lost'
    this.held.clear()
    for (const { reject } of this.#written.values()) reject(leaseLost())
    this.#written.clear()
    for (const wake of this.#goneWaiters.splice(0)) wake()
    await Promise.all([...this.#channels].map((channel) => channel.close().catch(() => undefined)))
  }

  readonly #goneWaiters: (() => void)[] = []

  /** Resolves as the promise does, or rejects when the partition is gone. */
  async #orGone(promise: Promise<void>): Promise<void> {
    const gone = new Promise<'gone'>((resolve) => {
      this.#goneWaiters.push(() => resolve('gone'))
    })
    if (this.isGone || (await Promise.race([promise, gone])) === 'gone') throw leaseLost()
  }

  get isGone(): boolean {
    return this.state === 'gone'
  }

  #settle(delivery: RabbitDelivery, state: 'settled' | 'lost' = 'settled'): void {
    delivery.state = state
    this.held.delete(delivery)
  }

  /**
   * A channel of ours; closed again where it comes too late, so that it never stands in a successor's way. Noted in the turn in
   * which it is there: an end that came between would leave it open, as the active consumer of a queue that its heir waits for.
   */
  async #openChannel(): Promise<Channel> {
    const channel = await this.#home.link.channel((cause) => {
      if (cause !== undefined && !this.isGone) this.#tellClosed(cause)
      this.lose()
    })
    if (!this.isGone) {
      this.#channels.add(channel)
      return channel
    }
    await channel.close().catch(() => undefined)
    throw leaseLost()
  }

  /** The server closed one channel, and not the connection: for a handler that took longer than its `consumer_timeout`, mostly. */
  #tellClosed(cause: Error): void {
    const message = `RabbitMQ closed the channel of partition ${this.name}; what was in hand comes again`
    this.#home.report({ level: 'warn', message, error: operationError(cause, `consume ${this.name}`) })
  }

  #openLot(): Promise<void> {
    this.#openingLot ??= this.#openLotNow()
    this.#openingLot.catch(() => {
      this.#openingLot = undefined
    })
    return this.#openingLot
  }

  async #openLotNow(): Promise<void> {
    const { publisher, clock, lotQueue, makeLot } = this.#home
    await makeLot(this.name)
    const channel = await this.#openChannel()
    this.#lotAcks = new AckWindow(channel, lotQueue(this.name), clock)
    await channel.prefetch(prefetchMax)
    const { read } = await hold({
      channel,
      queue: lotQueue(this.name),
      publisher,
      clock,
      take: (message) => this.#fromLotQueue(message),
      settle: (tag) => this.#lotAcks?.ack(tag),
      cancelled: () => this.lose(),
      aborted: () => this.isGone,
    })
    await this.#orGone(read)
  }

  #fromLotQueue(message: ConsumeMessage): void {
    const { headers = {} } = message.properties
    const tag = message.fields.deliveryTag
    const text: unknown = headers['sluice-lot']
    if (typeof text !== 'string') {
      this.#home.report({ level: 'warn', message: `a message in the parking lot of ${this.name} is not of Sluice, and is left there` })
      return
    }
    const note: LotNote = JSON.parse(text)
    const applied = this.lot.apply(note, note.kind === 'entry' || note.kind === 'redriven' ? fromWire(message, this.#home.nowMs()) : undefined, tag)
    for (const each of applied.void) this.#lotAcks?.ack(each)
    const { lane } = applied
    if (lane !== undefined) {
      if (note.kind === 'lane' && note.restates !== true) this.void(lane)
      if (applied.rewrite === true)
        void this.write([{ note: { kind: 'lane', lane: lane.name, state: lane.state, dueAtMs: lane.dueAtMs, restates: true } }]).catch(() => undefined)
      // What we wrote ourselves the core knows.
      if (note.kind === 'redriven' || note.kind === 'discarded') this.#home.lanesChanged(this.name, [describeLane(lane, this.name)])
    }
    const id: unknown = headers['sluice-write']
    if (typeof id !== 'string') return
    const written = this.#written.get(id)
    this.#written.delete(id)
    written?.resolve()
  }

  #arrived(message: ConsumeMessage, acks: AckWindow | undefined): void {
    const read = fromWire(message, this.#home.nowMs())
    const tag = message.fields.deliveryTag
    let before = numberOf(message.properties.headers?.['x-delivery-count']) ?? (message.fields.redelivered ? 1 : 0)
    if (before > 0 && this.#isCopy(read.envelope)) before = 0
    if (before > 0 && this.lot.knows(read.envelope.id)) {
      acks?.ack(tag)
      return
    }
    const progress = this.lot.progressOf(read.envelope.id)
    const { envelope, storedAtMs, sizeBytes } = read
    const { attempt, notBeforeMs, firstDeliveredAtMs, note } = attemptFields(progress, before > 0 ? storedAtMs : undefined)
    // Field by field: spreading costs as much as reading the message.
    const delivery: RabbitDelivery = {
      envelope,
      storedAtMs,
      sizeBytes,
      attempt,
      notBeforeMs,
      firstDeliveredAtMs,
      note,
      owner: this,
      partition: this.name,
      deliveries: before,
      suspect: before > 0 && this.#isOrphan,
      fromLot: false,
      tag,
      acks,
      position: this.#nextPosition++,
      entry: undefined,
      state: 'held',
    }
    this.buffer.push(delivery)
    this.#home.arrived()
  }

  /**
   * Whether another copy of a message that was given back came on this channel before. A channel brings none twice: its sender
   * wrote it again. That this copy was given back, too, must not hide from the core that it is a repeat.
   */
  #isCopy({ id, producerid, producerepoch, producerseq }: Envelope): boolean {
    if (producerid === undefined) return false
    const stamp = `${producerid} ${producerepoch} ${producerseq} ${id}`
    if (this.#givenBack.has(stamp)) return true
    this.#givenBack.add(stamp)
    return false
  }

  #fromLot(entry: LotEntry): RabbitDelivery {
    const { envelope, storedAtMs, sizeBytes, progress } = entry
    const delivery: RabbitDelivery = {
      envelope,
      storedAtMs,
      sizeBytes,
      ...attemptFields(progress, entry.deliveries > 0 ? storedAtMs : undefined),
      owner: this,
      partition: this.name,
      deliveries: entry.deliveries++,
      suspect: false,
      fromLot: true,
      tag: 0,
      acks: undefined,
      position: 0,
      entry,
      state: 'held',
    }
    entry.isHeld = true
    this.held.add(delivery)
    return delivery
  }
}

/** Writes a note, with the message that it is about, to a lot's queue; resolves when it is confirmed. */
export function putNote(
  publisher: Publisher,
  queue: string,
  note: LotNote,
  message: (Pick<OutgoingMessage, 'envelope' | 'sizeBytes'> & { readonly storedAtMs: number }) | undefined,
  writeId?: string,
): Promise<void> {
  const extra = { 'sluice-lot': JSON.stringify(note), ...(writeId === undefined ? {} : { 'sluice-write': writeId }) }
  if (message === undefined) return publisher.put('', queue, Buffer.alloc(0), { persistent: true, headers: extra })
  const { content, properties } = toWire(message.envelope, message.sizeBytes, message.storedAtMs, extra)
  return publisher.put('', queue, content, properties)
}
