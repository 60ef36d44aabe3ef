import { type Contract, checkDelivered } from '../../contract/index.ts'
import { isSluiceError, SluiceError } from '../../errors/index.ts'
import type { CodecRegistry, Envelope } from '../../message/index.ts'
import type { RetryPolicy } from '../../policy/index.ts'
import type { DeadLetterReason, Delivery } from '../../transport/index.ts'
import type { Abortable, HandlerBinding, RunEntry } from '../dispatch/binding.ts'
import type { FaultLog } from '../logging/fault-log.ts'
import type { HandlerRun, Middleware } from '../middleware/api.ts'
import { runHandle } from '../middleware/chain.ts'
import type { Replier } from '../request-reply/replier.ts'
import { attributesOf, type ContextScope, EntryView, ManyContext, SingleContext } from './context.ts'
import type { Registration } from './registration.ts'

/** What a binding needs beside its registration. */
export interface BindingParts {
  readonly scope: ContextScope
  readonly codecs: CodecRegistry
  /** Largest inflated body, bytes. */
  readonly messageBytesMax: number
  readonly retry: RetryPolicy
  /** Middleware in effect; read at each use, so that later `use` counts. */
  middleware(): readonly Middleware[]
  readonly replier: Replier
  readonly faults: FaultLog
  /** A message of a newer version is held, not given up. */
  readonly holdsNewer: boolean
  /** Told when a filter threw; the message is handled then. */
  filterFailed(error: unknown): void
}

/** One registration in one channel, as the dispatcher drives it. */
export class ContractBinding implements HandlerBinding {
  readonly types: readonly string[]
  readonly retry: RetryPolicy
  readonly timeoutMs: number | undefined
  readonly batch: HandlerBinding['batch']
  readonly #registration: Registration
  readonly #parts: BindingParts
  readonly #contracts: ReadonlyMap<string, Contract>
  readonly #isRequest: boolean

  constructor(registration: Registration, channel: string, parts: BindingParts) {
    const contracts = registration.contracts.filter((contract) => contract.channel === channel)
    this.#registration = registration
    this.#parts = parts
    this.#contracts = new Map(contracts.map((contract) => [contract.name, contract]))
    this.#isRequest = contracts[0]?.kind === 'request'
    this.types = contracts.map((contract) => contract.name)
    this.retry = parts.retry
    this.timeoutMs = registration.options.timeoutMs
    this.batch = registration.batch
  }

  accepts(delivery: Delivery): boolean {
    const { options } = this.#registration
    if (options.filter === undefined) return true
    try {
      return options.filter(attributesOf(delivery.envelope))
    } catch (error) {
      this.#parts.filterFailed(error)
      return true
    }
  }

  prepare(delivery: Delivery): unknown {
    const envelope = this.#received(delivery.envelope)
    const contract = this.#contracts.get(envelope.type)
    if (contract === undefined) throw new SluiceError('UNKNOWN_TYPE', `no handler for messages of type ${envelope.type} here`)
    const checked = this.#checked(contract, envelope)
    return checked instanceof Promise ? checked.then((done) => done.value) : checked.value
  }

  #checked(contract: Contract, envelope: Envelope): ReturnType<typeof checkDelivered> {
    const { codecs, messageBytesMax, scope, faults, holdsNewer } = this.#parts
    try {
      return checkDelivered(contract, codecs.decode(envelope, messageBytesMax), envelope.schemaversion)
    } catch (error) {
      if (holdsNewer && isSluiceError(error, 'NEWER_VERSION')) faults.newerVersion(scope.channel, scope.group, envelope)
      throw error
    }
  }

  #received(envelope: Envelope): Envelope {
    const middleware = this.#parts.middleware()
    let result = envelope
    // The last one that changed it on the way out is the first one on the way in.
    for (let index = middleware.length - 1; index >= 0; index--) {
      const one = middleware[index]
      if (one?.received !== undefined) result = one.received(result)
    }
    return result
  }

  run(entries: readonly RunEntry[], call: Abortable): undefined | Promise<void> {
    for (const { attempt, delivery } of entries)
      if (attempt > 1) this.#parts.faults.retry(this.#parts.scope.channel, this.#parts.scope.group, delivery.envelope, attempt)
    const result = this.batch === undefined ? this.#runOne(entries[0] as RunEntry, call) : this.#runBatch(entries, call)
    if (this.#isRequest) return this.#reply(entries[0] as RunEntry, result)
    // No promise of our own: the handler's is the outcome.
    return isThenable(result) ? (result as Promise<void>) : undefined
  }

  #runOne(entry: RunEntry, call: Abortable): unknown {
    const context = new SingleContext(this.#parts.scope, entry, call)
    const middleware = this.#parts.middleware()
    if (middleware.length === 0) return this.#registration.handler(entry.prepared, context)
    const run: HandlerRun = { context, entries: [new EntryView(entry, this.#parts.scope.group)] }
    return runHandle(middleware, run, () => this.#registration.handler(entry.prepared, context))
  }

  #runBatch(entries: readonly RunEntry[], call: Abortable): unknown {
    const { scope } = this.#parts
    const context = new ManyContext(scope, entries, call)
    const views: EntryView[] = []
    for (const entry of entries) views.push(new EntryView(entry, scope.group))
    const middleware = this.#parts.middleware()
    if (middleware.length === 0) return this.#registration.handler(views, context)
    return runHandle(middleware, { context, entries: views }, () => this.#registration.handler(views, context))
  }

  async #reply(entry: RunEntry, result: unknown): Promise<void> {
    const { envelope } = entry.delivery
    const contract = this.#contracts.get(envelope.type)
    if (contract?.kind === 'request') await this.#parts.replier.answer(contract, envelope, await result)
  }

  /** The dispatcher gives the message up: the log and a requester that still waits are told. */
  gaveUp(delivery: Delivery, reason: DeadLetterReason): undefined | Promise<void> {
    this.#parts.faults.deadLetter(this.#parts.scope.channel, this.#parts.scope.group, delivery.envelope, reason)
    return this.#isRequest ? this.#parts.replier.refuse(delivery.envelope, reason) : undefined
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
