import type { Contract, RequestContract } from '../../contract/index.ts'
import { SluiceError } from '../../errors/index.ts'
import type { ContractRoute, Route } from '../bus/route.ts'
import { checkOptionNames, optionNames } from '../options/option-names.ts'
import { type Cause, checkSignal, noOptions } from '../sender/outgoing.ts'
import type { Publisher } from '../sender/publisher.ts'
import type { RequestOptions } from './api.ts'
import { Requester, type RequesterOptions } from './requester.ts'

/** What requests need of their bus. */
export interface RequestsParts extends Omit<RequesterOptions, 'transport' | 'messageBytesMax'> {
  readonly publisher: Publisher
  routeOf(contract: Contract): ContractRoute
  newId(): string
}

/** Default of `timeoutMs` of a request. */
export const requestTimeoutMs = 30_000

/** All requests of a bus: one requester a transport. */
export class Requests {
  readonly #parts: RequestsParts
  readonly #requesters: Map<Route, Requester> = new Map()
  #stopped = false

  constructor(parts: RequestsParts) {
    this.#parts = parts
  }

  /** Sends a request and waits for its reply. See `BusSender.request`. */
  async request(contract: RequestContract, data: unknown, options: RequestOptions = {}, cause?: Cause): Promise<unknown> {
    const { route } = this.#parts.routeOf(contract)
    if (contract.kind !== 'request') {
      throw new SluiceError('INVALID_OPTION', `${(contract as Contract).name} is a contract of kind ${(contract as Contract).kind}`, {
        fix: `Use ${(contract as Contract).kind === 'event' ? 'publish' : 'send'} for it`,
      })
    }
    checkOptionNames('request', options, optionNames.request)
    if (options.signal !== undefined) checkSignal(options.signal)
    const { timeoutMs = requestTimeoutMs, signal, ...rest } = options
    if (!(timeoutMs > 0 && timeoutMs < Number.POSITIVE_INFINITY))
      throw new SluiceError('INVALID_OPTION', 'timeoutMs is not a positive number of milliseconds', {
        fix: 'Leave it out for 30 s',
        details: { option: 'timeoutMs' },
      })
    if (signal?.aborted === true) throw new SluiceError('ABORTED', 'the signal was aborted before the request was sent', { cause: signal.reason })
    const id = options.id ?? this.#parts.newId()
    return this.#requesterOf(route).request(contract, id, timeoutMs, signal, (replyTo) =>
      this.#parts.publisher.one(
        'request',
        contract,
        data,
        { ...noOptions, ...rest, id, timeoutMs, expiresInMs: timeoutMs, ...(signal === undefined ? {} : { signal }) },
        cause,
        { replyto: replyTo },
      ),
    )
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all([...this.#requesters.values()].map((requester) => requester.stop()))
  }

  #requesterOf(route: Route): Requester {
    if (this.#stopped) throw new SluiceError('BUS_STOPPED', 'the bus was stopped', { fix: 'Connect again' })
    let requester = this.#requesters.get(route)
    if (requester === undefined) {
      requester = new Requester({ ...this.#parts, transport: route.transport, messageBytesMax: route.messageBytesMax })
      this.#requesters.set(route, requester)
    }
    return requester
  }
}
