import { type CommandContract, type Contract, checkId, type EventContract } from '../../contract/index.ts'
import { SluiceError } from '../../errors/index.ts'
import type { OutgoingMessage } from '../../transport/index.ts'
import type { ContractRoute } from '../bus/route.ts'
import { checkOptionNames, optionNames, shapeOf } from '../options/option-names.ts'
import type { PublishEntry, PublishManyOptions, PublishOptions, PublishReceipt } from './api.ts'
import { type Cause, makeOutgoing, noOptions, type OutgoingMaker, type ReplyAttributes } from './outgoing.ts'

/** What the publisher needs of its bus. */
export interface PublisherBus {
  /** Where a contract goes; throws CONTRACT_CONFLICT, INVALID_OPTION, BUS_STOPPED. */
  routeOf(contract: Contract): ContractRoute
  /** Told about each message made. */
  created(contract: Contract, message: OutgoingMessage): void
}

/** Default of `timeoutMs`: how long an unconfirmed message is sent again. */
export const publishTimeoutMs = 30_000

const verbOf = { event: 'publish', command: 'send', request: 'request' } as const

/** Makes messages out of calls and hands them to their route's sender, in the order of the calls. */
export class Publisher {
  readonly #maker: OutgoingMaker
  readonly #bus: PublisherBus

  constructor(maker: OutgoingMaker, bus: PublisherBus) {
    this.#maker = maker
    this.#bus = bus
  }

  /** One event, command or request message. */
  one(
    kind: Contract['kind'],
    contract: Contract,
    data: unknown,
    options: PublishOptions = noOptions,
    cause?: Cause,
    reply?: ReplyAttributes,
  ): Promise<PublishReceipt> {
    try {
      const target = this.#target(kind, contract)
      // A request's options are checked where they are split, see requests.ts.
      if (options !== noOptions && kind !== 'request') checkOptionNames(verbOf[kind], options, optionNames.publish)
      const { facts } = target.route.transport
      const timeoutMs = timeoutOf(options)
      const made = makeOutgoing(this.#maker, contract, data, options, cause, facts, target.route.messageBytesMax, reply)
      if (made instanceof Promise || target.order.tail !== undefined)
        return this.#inOrder(target, made, (message) => this.#dispatch(target, message, options, timeoutMs))
      return this.#dispatch(target, made, options, timeoutMs)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Several messages of one contract. Nothing is sent when one is invalid. */
  many(
    kind: Contract['kind'],
    contract: EventContract | CommandContract,
    entries: readonly PublishEntry<unknown>[],
    options: PublishManyOptions = noOptions,
    cause?: Cause,
  ): Promise<readonly PublishReceipt[]> {
    try {
      const target = this.#target(kind, contract)
      if (options !== noOptions) checkOptionNames(`${verbOf[kind]}Many`, options, optionNames.publishMany)
      if (!Array.isArray(entries)) {
        throw new SluiceError('INVALID_OPTION', `the entries of ${verbOf[kind]}Many are not a list but ${shapeOf(entries)}`, {
          fix: 'Pass a list of { data, … }, one a message',
        })
      }
      const timeoutMs = timeoutOf(options)
      const shared = sharedCause(options, cause)
      const made: (OutgoingMessage | Promise<OutgoingMessage>)[] = []
      let asynchronous = target.order.tail !== undefined
      for (let index = 0; index < entries.length; index++) {
        const entry = entries[index] as PublishEntry<unknown>
        const message = this.#entry(target, contract, entry, index, shared)
        if (message instanceof Promise) asynchronous = true
        made.push(message)
      }
      if (asynchronous) return this.#inOrder(target, Promise.all(made), (messages) => this.#dispatchMany(target, messages, options, timeoutMs))
      return this.#dispatchMany(target, made as OutgoingMessage[], options, timeoutMs)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #entry(
    target: ContractRoute,
    contract: Contract,
    entry: PublishEntry<unknown>,
    index: number,
    cause: Cause | undefined,
  ): OutgoingMessage | Promise<OutgoingMessage> {
    const { route } = target
    try {
      const plain = onlyData(entry)
      if (!plain) {
        checkOptionNames(`an entry of ${verbOf[contract.kind]}Many`, entry, optionNames.entry)
        if (!('data' in entry)) throw new SluiceError('INVALID_OPTION', 'it has no data', { fix: 'Write { data: … } for each message' })
      }
      const made = makeOutgoing(this.#maker, contract, entry.data, plain ? noOptions : entry, cause, route.transport.facts, route.messageBytesMax)
      return made instanceof Promise ? made.catch((error: unknown) => Promise.reject(atIndex(error, index))) : made
    } catch (error) {
      throw atIndex(error, index)
    }
  }

  #target(kind: Contract['kind'], contract: Contract): ContractRoute {
    const target = this.#bus.routeOf(contract)
    if (contract.kind === kind) return target
    throw new SluiceError('INVALID_OPTION', `${contract.name} is a contract of kind ${contract.kind}`, { fix: `Use ${verbOf[contract.kind]} for it` })
  }

  #dispatch(target: ContractRoute, message: OutgoingMessage, options: PublishOptions, timeoutMs: number): Promise<PublishReceipt> {
    this.#bus.created(target.contract, message)
    if (options.tx !== undefined) return this.#inTransaction(target, [message], options.tx).then((receipts) => receipts[0] as PublishReceipt)
    return target.route.sender.sendOne(message, timeoutMs, options.signal)
  }

  #dispatchMany(
    target: ContractRoute,
    messages: readonly OutgoingMessage[],
    options: PublishManyOptions,
    timeoutMs: number,
  ): Promise<readonly PublishReceipt[]> {
    for (const message of messages) this.#bus.created(target.contract, message)
    if (options.tx !== undefined) return this.#inTransaction(target, messages, options.tx)
    return target.route.sender.sendMany(messages, timeoutMs, options.signal)
  }

  /** The application's transaction decides; what was sent in it is confirmed by its commit. */
  async #inTransaction(target: ContractRoute, messages: readonly OutgoingMessage[], transaction: unknown): Promise<readonly PublishReceipt[]> {
    const { route, contract } = target
    if (route.transport.facts.transaction === 'none') {
      throw new SluiceError('UNSUPPORTED', `${route.transport.facts.name} cannot join an application's transaction`, {
        fix: `Leave out tx, or route ${contract.channel} to a file: URL whose database the application uses`,
        details: { fact: 'transaction' },
      })
    }
    // Synchronous up to here: the rows are written inside the caller's transaction even if it is a synchronous one.
    const report = await route.sender.inTransaction(messages, transaction)
    const failure = report.failures[0]
    if (failure !== undefined) throw failure.error
    return messages.map((message, index) => {
      const stored = report.duplicates?.get(index)
      return stored === undefined ? { id: message.envelope.id, duplicate: false } : { id: stored, duplicate: true }
    })
  }

  /** Asynchronous validation must not reorder: each call of the channel waits for the one before it. */
  #inOrder<Made, Result>(target: ContractRoute, made: Made | Promise<Made>, go: (made: Made) => Promise<Result>): Promise<Result> {
    const before = target.order.tail
    const ready = Promise.all([made, before])
    const result = ready.then(([value]) => ({ sending: go(value) }))
    const tail: Promise<void> = Promise.allSettled([result, before]).then(() => {
      if (target.order.tail === tail) target.order.tail = undefined
    })
    target.order.tail = tail
    return result.then(({ sending }) => sending)
  }
}

/** The usual entry, { data }, told apart from all others (also from what is no entry at all). */
function onlyData(entry: PublishEntry<unknown>): boolean {
  let names = 0
  for (const name in entry) if (name !== 'data' || ++names > 1) return false
  return names === 1
}

function sharedCause(options: PublishManyOptions, cause: Cause | undefined): Cause | undefined {
  if (options.correlationId === undefined && options.causationId === undefined && options.traceparent === undefined) return cause
  return {
    correlationId: options.correlationId === undefined ? cause?.correlationId : checkId(options.correlationId, 'correlationId'),
    causationId: options.causationId === undefined ? cause?.causationId : checkId(options.causationId, 'causationId'),
    traceparent: options.traceparent ?? cause?.traceparent,
    tracestate: options.tracestate ?? cause?.tracestate,
  }
}

function timeoutOf(options: { readonly timeoutMs?: number }): number {
  const { timeoutMs } = options
  if (timeoutMs === undefined) return publishTimeoutMs
  if (timeoutMs > 0 && timeoutMs < Number.POSITIVE_INFINITY) return timeoutMs
  throw new SluiceError('INVALID_OPTION', 'timeoutMs is not a positive number of milliseconds', {
    fix: 'Leave it out for 30 s',
    details: { option: 'timeoutMs' },
  })
}

function atIndex(error: unknown, index: number): unknown {
  if (!(error instanceof SluiceError)) return error
  const end = error.fix !== undefined && error.message.endsWith(`. ${error.fix}`) ? -(error.fix.length + 2) : undefined
  const message = error.message.slice(error.message.startsWith(`${error.code}: `) ? error.code.length + 2 : 0, end)
  return new SluiceError(error.code, `entry ${index}: ${message}; nothing was sent`, {
    ...(error.fix === undefined ? {} : { fix: error.fix }),
    details: { ...error.details, index },
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  })
}
