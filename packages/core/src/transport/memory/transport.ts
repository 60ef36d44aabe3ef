import { SluiceError } from '../../errors/index.ts'
import type { TransportFacts } from '../facts.ts'
import type {
  Consumer,
  ConsumerObserver,
  OutgoingMessage,
  SendOptions,
  SendReport,
  Subscription,
  Topology,
  Transport,
  TransportAdmin,
  TransportContext,
  TransportFactory,
} from '../transport.ts'
import { memoryAdmin } from './admin.ts'
import { Broker, messageBytesMax } from './broker.ts'
import { MemoryConsumer } from './consumer.ts'

/** How long a crashed member keeps what it holds, ms. */
const takeOverMs = 200

const facts: TransportFacts = {
  name: 'memory',
  serverVersion: '1',
  confirm: 'process',
  settlement: 'lease',
  settlementConfirmed: true,
  handlingMsMax: Infinity,
  takeOverMs,
  keyOrder: 'key',
  partitions: 'growing',
  publishOrder: 'kept',
  parkingLot: 'process',
  attempts: 'floor',
  delayedSend: { delayMsMax: Number.MAX_SAFE_INTEGER, keyed: true },
  schedules: true,
  fanOut: 'transport',
  broadcast: true,
  lateGroup: 'start',
  replay: true,
  filter: 'client',
  deduplicationMsMax: Number.MAX_SAFE_INTEGER,
  backlog: 'exact',
  presence: true,
  priority: false,
  groupConcurrency: true,
  transaction: 'none',
  messageBytesMax,
  notes: ['Everything is gone with the process.'],
}

// A named memory outlives its transports, as a broker outlives its clients.
const named = new Map<string, Broker>()

/** A transport in this process's memory: the reference for all others. */
export class MemoryTransport implements Transport {
  readonly facts: TransportFacts = facts
  readonly admin: TransportAdmin
  readonly #broker: Broker
  readonly #context: TransportContext
  readonly #consumers: Set<MemoryConsumer> = new Set()
  #consumed = 0
  #closed = false

  constructor(broker: Broker, context: TransportContext) {
    this.#broker = broker
    this.#context = context
    this.admin = memoryAdmin(broker, () => this.#mustBeOpen())
    broker.enter(context.clock)
  }

  async declare(topology: Topology): Promise<void> {
    this.#mustBeOpen()
    this.#broker.declare(topology)
  }

  async send(batch: readonly OutgoingMessage[], options: SendOptions = {}): Promise<SendReport> {
    this.#mustBeOpen()
    if (options.transaction !== undefined)
      throw new SluiceError('UNSUPPORTED', 'memory: cannot join a transaction', { fix: 'Use a file: URL, or leave out tx' })
    return this.#broker.send(batch, options)
  }

  async consume(subscription: Subscription, observer: ConsumerObserver): Promise<Consumer> {
    this.#mustBeOpen()
    this.#broker.channel({ name: subscription.channel, kind: subscription.kind })
    const group = this.#broker.group(subscription)
    const consumer = new MemoryConsumer(`${this.#context.instanceId}/${this.#consumed++}`, group, subscription, observer)
    this.#consumers.add(consumer)
    group.join(consumer)
    return consumer
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const consumer of this.#consumers) await consumer.close()
    this.#broker.leave()
  }

  /** For tests: dies as a killed process would. What it held is taken over after `facts.takeOverMs`. */
  crash(): void {
    this.#closed = true
    for (const consumer of this.#consumers) consumer.crash(takeOverMs)
  }

  /** For tests: loses all it holds, as a process that was frozen past its lease would, and goes on. */
  fence(): void {
    for (const consumer of this.#consumers) consumer.fence()
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new SluiceError('TRANSPORT_CLOSED', 'the memory transport was closed')
  }
}

/**
 * Opens `memory:` (private to this transport) and `memory:name` (shared by every transport of this process that names
 * it, and kept until the process ends). Durable for as long as the process lives; for tests and for trying things out.
 */
export const memoryTransport: Pick<TransportFactory, 'schemes'> & { open(url: string, context: TransportContext): Promise<MemoryTransport> } = {
  schemes: ['memory'],
  async open(url: string, context: TransportContext): Promise<MemoryTransport> {
    const name = url.replace(/^memory:(\/\/)?/, '')
    let broker = name === '' ? new Broker(context.clock) : named.get(name)
    if (broker === undefined) {
      broker = new Broker(context.clock)
      named.set(name, broker)
    }
    return new MemoryTransport(broker, context)
  },
}
