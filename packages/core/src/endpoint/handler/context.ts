import type { CommandContract, Contract, ContractOutput, EventContract, RequestContract } from '../../contract/index.ts'
import { type Envelope, ownText } from '../../message/index.ts'
import type { Abortable, RunEntry } from '../dispatch/binding.ts'
import type { Log } from '../logging/log.ts'
import type { ContextLogger } from '../logging/logger.ts'
import type { RequestOptions } from '../request-reply/api.ts'
import type { PublishEntry, PublishManyOptions, PublishOptions, PublishReceipt } from '../sender/api.ts'
import type { Cause } from '../sender/outgoing.ts'
import type { Publisher } from '../sender/publisher.ts'
import type { BatchContext, BatchEntry, HandlerContext, Message, MessageAttributes } from './api.ts'

/** What all contexts of one binding share. */
export interface ContextScope {
  readonly channel: string
  readonly group: string
  readonly publisher: Publisher
  readonly log: Log
  request(contract: RequestContract, data: unknown, options: RequestOptions | undefined, cause: Cause | undefined): Promise<unknown>
}

const noHeaders: Readonly<Record<string, string>> = Object.freeze({})

/**
 * The attributes of an envelope as a handler sees them: everything but the body, and headers always there. Copies: other
 * groups, the next attempt and a dead letter have the same envelope.
 */
export function attributesOf(envelope: Envelope): MessageAttributes & { readonly type: string } {
  const { body: _, headers, ...attributes } = envelope
  const all = { ...attributes, headers: headers === undefined ? noHeaders : { ...headers } }
  return envelope.tags === undefined ? all : { ...all, tags: [...envelope.tags] }
}

/** Causes of what a handler sends: the same conversation, caused by this message. */
function causeOf(envelope: Envelope): Cause {
  return { correlationId: envelope.correlationid ?? envelope.id, causationId: envelope.id, traceparent: envelope.traceparent, tracestate: envelope.tracestate }
}

/** What single and batch contexts have in common. Everything is made when it is first asked for. */
abstract class SendingContext {
  protected readonly scope: ContextScope
  readonly #call: Abortable
  #log: ContextLogger | undefined

  constructor(scope: ContextScope, call: Abortable) {
    this.scope = scope
    this.#call = call
  }

  protected abstract readonly first: RunEntry
  protected abstract readonly cause: Cause | undefined
  protected abstract envelopeOf(data: unknown): Envelope | undefined

  get channel(): string {
    return this.scope.channel
  }

  get group(): string {
    return this.scope.group
  }

  get signal(): AbortSignal {
    return this.#call.signal
  }

  get log(): ContextLogger {
    if (this.#log === undefined) {
      const { delivery, attempt } = this.first
      this.#log = this.scope.log.with({ id: delivery.envelope.id, type: delivery.envelope.type, channel: this.scope.channel, group: this.scope.group, attempt })
    }
    return this.#log
  }

  is<C extends Contract>(contract: C, data: unknown): data is ContractOutput<C> {
    return this.envelopeOf(data)?.type === contract.name
  }

  publish<Input>(event: EventContract<Input, unknown>, data: NoInfer<Input>, options?: PublishOptions): Promise<PublishReceipt> {
    return this.scope.publisher.one('event', event, data, options, this.cause)
  }

  publishMany<Input>(
    event: EventContract<Input, unknown>,
    entries: readonly PublishEntry<NoInfer<Input>>[],
    options?: PublishManyOptions,
  ): Promise<readonly PublishReceipt[]> {
    return this.scope.publisher.many('event', event, entries, options, this.cause)
  }

  send<Input>(command: CommandContract<Input, unknown>, data: NoInfer<Input>, options?: PublishOptions): Promise<PublishReceipt> {
    return this.scope.publisher.one('command', command, data, options, this.cause)
  }

  sendMany<Input>(
    command: CommandContract<Input, unknown>,
    entries: readonly PublishEntry<NoInfer<Input>>[],
    options?: PublishManyOptions,
  ): Promise<readonly PublishReceipt[]> {
    return this.scope.publisher.many('command', command, entries, options, this.cause)
  }

  request<Input, Reply>(request: RequestContract<Input, unknown, unknown, Reply>, data: NoInfer<Input>, options?: RequestOptions): Promise<Reply> {
    return this.scope.request(request, data, options, this.cause) as Promise<Reply>
  }
}

/** Context of one message. */
export class SingleContext extends SendingContext implements HandlerContext {
  protected readonly first: RunEntry
  #message: Message | undefined
  #cause: Cause | undefined

  constructor(scope: ContextScope, entry: RunEntry, call: Abortable) {
    super(scope, call)
    this.first = entry
  }

  protected get cause(): Cause {
    this.#cause ??= causeOf(this.first.delivery.envelope)
    return this.#cause
  }

  protected envelopeOf(): Envelope {
    return this.first.delivery.envelope
  }

  get message(): Message {
    this.#message ??= messageOf(this.first)
    return this.#message
  }

  get attempt(): number {
    return this.first.attempt
  }

  get deliveries(): number {
    return this.first.deliveries
  }

  get key(): string | undefined {
    return ownedText(this.first.delivery.envelope.partitionkey)
  }

  get idempotencyKey(): string {
    return idempotencyKeyOf(this.scope.group, this.first)
  }
}

/** Context of a batch. */
export class ManyContext extends SendingContext implements BatchContext {
  readonly #entries: readonly RunEntry[]
  #byData: Map<unknown, Envelope> | undefined

  constructor(scope: ContextScope, entries: readonly RunEntry[], call: Abortable) {
    super(scope, call)
    this.#entries = entries
  }

  protected get first(): RunEntry {
    return this.#entries[0] as RunEntry
  }

  protected get cause(): Cause | undefined {
    return this.#entries.length === 1 ? causeOf(this.first.delivery.envelope) : undefined
  }

  protected envelopeOf(data: unknown): Envelope | undefined {
    this.#byData ??= new Map(this.#entries.map((entry) => [entry.prepared, entry.delivery.envelope]))
    return this.#byData.get(data)
  }

  get size(): number {
    return this.#entries.length
  }
}

/** One message of a batch. */
export class EntryView implements BatchEntry {
  readonly #entry: RunEntry
  readonly #group: string
  readonly data: unknown
  #message: Message | undefined

  constructor(entry: RunEntry, group: string) {
    this.#entry = entry
    this.#group = group
    this.data = entry.prepared
  }

  get message(): Message {
    this.#message ??= messageOf(this.#entry)
    return this.#message
  }

  get attempt(): number {
    return this.#entry.attempt
  }

  get deliveries(): number {
    return this.#entry.deliveries
  }

  get key(): string | undefined {
    return ownedText(this.#entry.delivery.envelope.partitionkey)
  }

  get idempotencyKey(): string {
    return idempotencyKeyOf(this.#group, this.#entry)
  }

  get failure(): { readonly error: unknown } | undefined {
    return this.#entry.failure
  }

  fail(error: unknown): void {
    this.#entry.failure = { error }
  }
}

function ownedText(text: string | undefined): string | undefined {
  return text === undefined ? undefined : ownText(text)
}

/** Handlers keep keys and ids (of what they have seen, say): those are copies, the rest may be slices of a larger text. */
function messageOf(entry: RunEntry): Message {
  const message: { -readonly [Name in keyof Message]: Message[Name] } = { ...attributesOf(entry.delivery.envelope), data: entry.prepared }
  message.id = ownText(message.id)
  if (message.partitionkey !== undefined) message.partitionkey = ownText(message.partitionkey)
  if (message.correlationid !== undefined) message.correlationid = ownText(message.correlationid)
  if (message.causationid !== undefined) message.causationid = ownText(message.causationid)
  return message
}

/** Source and id name a message for ever; the group keeps two services' calls to one provider apart. */
function idempotencyKeyOf(group: string, entry: RunEntry): string {
  const { id, source } = entry.delivery.envelope
  return ownText(`${group}:${source}:${id}`)
}
