import { type Bus, type ConnectOptions, connect } from '@sluice/core'
import {
  type Clock,
  type ConsumerObserver,
  type Envelope,
  newId,
  type OutgoingMessage,
  type Subscription,
  systemClock,
  type Transport,
  type TransportFactory,
  type TransportFacts,
  type TransportReport,
} from '@sluice/core/transport'
import type { MemberModule } from '../crash/index.ts'
import { Probe } from '../probe/probe.ts'

/** Where a case runs: how to open the transport under test. */
export interface Place {
  readonly factory: TransportFactory
  /** One URL for all that the case opens: a place that was empty before. */
  readonly url: string
  readonly clock?: Clock
  /** Passed to the transport as `connect` options. */
  readonly options?: Readonly<Record<string, unknown>>
  /** How processes of their own find the transport; without it the cases that need them are left out. */
  readonly member?: MemberModule | undefined
  /** Begins a transaction of the application on the transport's own database (fact `transaction`). */
  readonly transaction?: BeginTransaction | undefined
  /** Makes an open transport die without a word, where this can be simulated inside one process. */
  readonly crash?: ((transport: Transport) => void) | undefined
}

/** Begins a transaction that the transport can join; its end closes the connection. */
export type BeginTransaction = (url: string) => Promise<{ readonly transaction: unknown; commit(): void; rollback(): void }>

/** What a message of a case has of its own. */
export interface MessageSpec
  extends Partial<Omit<OutgoingMessage, 'envelope'>>,
    Partial<Pick<Envelope, 'id' | 'type' | 'body' | 'headers' | 'subject' | 'tags'>> {
  readonly key?: string
  readonly envelope?: Partial<Envelope>
}

/** What a case works with; made for each case anew, and closed after it. */
export class Rig {
  readonly place: Place
  readonly clock: Clock
  readonly reports: TransportReport[] = []
  readonly #open: Set<Transport> = new Set()
  readonly #closers: (() => Promise<void>)[] = []
  #facts: TransportFacts | undefined
  #count = 0

  constructor(place: Place) {
    this.place = place
    this.clock = place.clock ?? systemClock
  }

  get isOpen(): boolean {
    return this.#facts !== undefined
  }

  get facts(): TransportFacts {
    if (this.#facts === undefined) throw new Error('open a transport first')
    return this.#facts
  }

  /** A further member's connection to the same place. */
  async open(): Promise<Transport> {
    const transport = await this.place.factory.open(this.place.url, {
      clock: this.clock,
      service: 'conformance',
      instanceId: `member-${++this.#count}-${newId()}`,
      report: (event) => void this.reports.push(event),
      options: this.place.options ?? {},
    })
    this.#facts = transport.facts
    this.#open.add(transport)
    return transport
  }

  /** Opens a connection and declares channel `c` on it (events and 8 partitions, unless said), with its groups. */
  async channel(
    options: {
      readonly kind?: 'events' | 'commands'
      readonly partitions?: number
      readonly groups?: readonly string[]
      readonly retention?: { readonly maxBytes?: number; readonly keepForGroups?: boolean }
    } = {},
  ): Promise<Transport> {
    const transport = await this.open()
    const { partitions = 8, retention } = options
    await transport.declare({
      channels: [{ name: 'c', kind: options.kind ?? 'events', partitions, ...(retention === undefined ? {} : { retention }) }],
      groups: (options.groups ?? []).map((group) => ({ channel: 'c', group, from: 'start', order: 'key', ephemeral: false })),
    })
    return transport
  }

  /** Joins group `g` of channel `c`, unless said otherwise, with an observer that writes everything down. */
  async join(transport: Transport, subscription: Partial<Subscription> = {}, observer: Partial<ConsumerObserver> = {}): Promise<Probe> {
    const probe = new Probe(observer)
    await probe.join(transport, {
      channel: 'c',
      group: 'g',
      from: 'start',
      order: 'key',
      ephemeral: false,
      kind: 'events',
      types: ['t'],
      windowCount: 1_000,
      windowBytes: 64 * 1024 * 1024,
      ...subscription,
    })
    return probe
  }

  /** A bus over the transport, for a service; stopped after the case. Its log is silent. */
  async bus(service: string, options: ConnectOptions = {}): Promise<Bus> {
    const bus = await connect({
      service,
      url: this.place.url,
      transports: [this.place.factory],
      logger: false,
      transportOptions: this.place.options ?? {},
      ...(this.place.clock === undefined ? {} : { clock: this.place.clock }),
      ...options,
    })
    this.onClose(async () => void (await bus.stop({ deadlineMs: 2_000 })))
    return bus
  }

  /** Something to close after the case, before the transports. */
  onClose(close: () => Promise<void>): void {
    this.#closers.push(close)
  }

  async close(transport?: Transport): Promise<void> {
    if (transport !== undefined) {
      this.#open.delete(transport)
      await transport.close()
      return
    }
    for (const close of this.#closers.reverse()) await close()
    for (const open of this.#open) await open.close()
    this.#open.clear()
  }

  /** Whether {@link crash} can be used here. */
  get canCrash(): boolean {
    return this.place.crash !== undefined
  }

  crash(transport: Transport): void {
    this.#open.delete(transport)
    this.place.crash?.(transport)
  }
}

/** A message for channel `c`: type `t`, a fresh id, and what the specification says. */
export function message(spec: MessageSpec = {}): OutgoingMessage {
  const { key, id, type, body, headers, subject, tags, envelope, ...rest } = spec
  const made: Envelope = {
    id: id ?? newId(),
    type: type ?? 't',
    source: 'conformance',
    time: '2026-01-01T00:00:00.000Z',
    body: body ?? '{}',
    ...(key === undefined ? {} : { partitionkey: key }),
    ...(headers === undefined ? {} : { headers }),
    ...(subject === undefined ? {} : { subject }),
    ...(tags === undefined ? {} : { tags }),
    ...envelope,
  }
  return { channel: 'c', sizeBytes: made.body.length + 200, ...rest, envelope: made }
}

/** `count` messages, round robin over `keys`, whose bodies are their numbers from `first` on. */
export function numbered(count: number, keys: readonly (string | undefined)[], first = 0): OutgoingMessage[] {
  return Array.from({ length: count }, (_, i) => {
    const key = keys[i % keys.length]
    return message({ body: String(first + i), ...(key === undefined ? {} : { key }) })
  })
}
