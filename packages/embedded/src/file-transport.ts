import {
  type Consumer,
  type ConsumerObserver,
  type OutgoingMessage,
  type SendOptions,
  type SendReport,
  SluiceError,
  type Subscription,
  type Timer,
  type Topology,
  type Transport,
  type TransportAdmin,
  type TransportContext,
  type TransportFacts,
} from '@sluice/core/transport'
import { FileAdmin } from './administration/file-admin.ts'
import { BusFile } from './bus-file.ts'
import { DelayMover } from './delay/mover.ts'
import { embeddedFacts } from './facts.ts'
import { pathOfUrl } from './file/url.ts'
import { FileConsumer } from './group/consumer.ts'
import { declareTopology, dropAbandonedGroups } from './group/declare.ts'
import { ProcessLease } from './lease/process-lease.ts'
import { embeddedOptions } from './options.ts'
import { RetentionKeeper } from './retention/retention.ts'
import { Sender } from './send/sender.ts'
import type { Database } from './sqlite/connection.ts'
import { storeError } from './sqlite/errors.ts'
import { LentTransactions } from './transaction/lent-transaction.ts'

/** How often members look for dead ones; a look costs a few short reads, ms. */
const lookMs = 200

/** The embedded engine as a transport: one bus file, shared by any number of processes of this machine. */
export class FileTransport implements Transport {
  readonly facts: TransportFacts
  readonly admin: TransportAdmin
  readonly #bus: BusFile
  readonly #lease: ProcessLease
  readonly #sender: Sender
  readonly #mover: DelayMover
  readonly #retention: RetentionKeeper
  readonly #lent: LentTransactions
  readonly #consumers: Set<FileConsumer> = new Set()
  #heartbeat: Timer | undefined
  #beats = 0
  #closing: Promise<void> | undefined

  private constructor(bus: BusFile) {
    this.#bus = bus
    const { version } = bus.db.one<{ version: string }>('SELECT sqlite_version() AS version')
    this.facts = embeddedFacts(version, bus.options.leaseMs)
    this.#lease = new ProcessLease(bus, bus.options.leaseMs)
    this.admin = new FileAdmin(bus, this.#lease, () => new Map([...this.#consumers].map(({ inHand }) => [inHand.memberId, inHand.count])))
    this.#sender = new Sender(bus)
    this.#mover = new DelayMover(bus)
    this.#retention = new RetentionKeeper(bus, this.#lease)
    this.#lent = new LentTransactions(bus)
    this.#lease.removed = this.#removed
  }

  static async open(url: string, context: TransportContext): Promise<FileTransport> {
    return FileTransport.over(await BusFile.open(pathOfUrl(url), context, embeddedOptions(context)))
  }

  /** The transport over a bus file that is open; closes it with itself. */
  static over(bus: BusFile): FileTransport {
    return new FileTransport(bus)
  }

  async declare(topology: Topology): Promise<void> {
    this.#mustBeOpen()
    await this.#bus.writer.write((db) => declareTopology(db, topology, this.#bus.options.partitions), { announce: true })
    this.#bus.look()
  }

  send(batch: readonly OutgoingMessage[], options?: SendOptions): Promise<SendReport> {
    if (this.#closing !== undefined) return Promise.reject(closed())
    if (options?.transaction !== undefined) return this.#sendInside(batch, options.transaction, options.topology)
    return batch.length === 0 ? Promise.resolve({ failures: [] }) : this.#sender.send(batch)
  }

  // Synchronous up to its return: a better-sqlite3 transaction is over when its function returns.
  #sendInside(batch: readonly OutgoingMessage[], transaction: unknown, topology: Topology | undefined): Promise<SendReport> {
    try {
      return Promise.resolve(this.#lent.send(batch, transaction, topology))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async consume(subscription: Subscription, observer: ConsumerObserver): Promise<Consumer> {
    this.#mustBeOpen()
    const consumer = new FileConsumer(this.#bus, this.#lease, subscription, observer, {
      left: (consumer) => void this.#consumers.delete(consumer),
    })
    await consumer.join()
    this.#consumers.add(consumer)
    this.#heartbeat ??= this.#beat()
    // The members that are here already hand partitions over; this process hears no doorbell of its own.
    this.#bus.look()
    return consumer
  }

  #beat(): Timer {
    const renewEvery = Math.max(1, Math.floor(this.#bus.options.leaseMs / 4 / lookMs))
    return this.#bus.clock.setTimer(Math.min(lookMs, this.#bus.options.leaseMs / 4), () => {
      if (this.#closing !== undefined) return
      this.#heartbeat = this.#beat()
      // Overdue after a freeze: others may own what this process holds, so it asks at once.
      if (++this.#beats % renewEvery === 0 || this.#lease.overdue) {
        void this.#lease.renew()
        for (const consumer of this.#consumers) consumer.tick()
      }
      if (this.#someAreGone()) for (const consumer of this.#consumers) consumer.rebalance()
    })
  }

  readonly #removed = (): void => {
    for (const consumer of this.#consumers) consumer.removed()
  }

  // The disk may fail for a moment: the next look comes soon.
  #someAreGone(): boolean {
    try {
      return this.#lease.gone().length > 0
    } catch (error) {
      this.#bus.report('warn', 'the members of the bus file could not be read', storeError(error, this.#bus.path))
      return false
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#heartbeat?.cancel()
    this.#mover.close()
    this.#retention.close()
    this.#lent.close()
    await Promise.allSettled([...this.#consumers].map((consumer) => consumer.close()))
    if (this.#lease.processId !== undefined) await this.#bus.writer.write((db) => this.#leave(db), { announce: true, sync: 'soon' }).catch(() => undefined)
    await this.#bus.close()
  }

  // Consumers that could not leave: others must hear that what they own is free.
  #leave(db: Database): void {
    const groups = this.#lease.leave(db)
    if (groups.length === 0) return
    dropAbandonedGroups(db, groups)
    this.#bus.markChanged(db)
  }

  #mustBeOpen(): void {
    if (this.#closing !== undefined) throw closed()
  }
}

function closed(): SluiceError {
  return new SluiceError('TRANSPORT_CLOSED', 'the bus file was closed')
}
