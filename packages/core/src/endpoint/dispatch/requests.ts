/** Carries out what the lane machine asks for: one call to the transport for many records, one a lane for the lot. */
import { toError } from '../../errors/index.ts'
import type { Consumer, Delivery } from '../../transport/index.ts'
import type { LaneRequest } from '../lane/index.ts'
import type { Route } from './handler-call.ts'

type Request = LaneRequest<Route>
type Kind<K extends Request['kind']> = Request & { readonly kind: K }

/** Where answers go. */
export interface RequestAnswers {
  done(request: Request, deliveries?: readonly Delivery[]): void
  failed(request: Request, error: Error): void
}

/** See the header of this file. */
export class RequestExecutor {
  readonly #consumer: Consumer
  readonly #answers: RequestAnswers
  #records: Kind<'record'>[] = []

  constructor(consumer: Consumer, answers: RequestAnswers) {
    this.#consumer = consumer
    this.#answers = answers
  }

  /** Takes a request; records wait for `flush`. */
  execute(request: Request): void {
    const lot = this.#consumer.lot
    if (request.kind === 'record') this.#records.push(request)
    else if (request.kind === 'deadLetter') {
      const { delivery, reason, mode, lane } = request
      this.#settle(request, () => this.#consumer.deadLetter([{ delivery, lane: lane.name, reason, mode }]))
    } else if (lot === undefined) this.#answers.failed(request, new Error('no parking lot'))
    else if (request.kind === 'move') {
      const deliveries = request.entries.map((entry) => entry.delivery)
      this.#settle(request, () => lot.move(request.lane.name, deliveries, request.state, request.first))
    } else if (request.kind === 'reschedule')
      this.#settle(request, () => lot.reschedule(request.lane.partition.name, request.lane.name, request.dueAtMs, request.head))
    else this.#read(request, () => lot.read(request.lane.partition.name, request.lane.name, request.countMax))
  }

  /** Sends the records that were taken since the last call, as one batch. */
  flush(): void {
    const requests = this.#records
    if (requests.length === 0) return
    this.#records = []
    const each = (): void => {
      for (const request of requests) this.#settle(request, () => this.#consumer.record([request.record]))
    }
    if (requests.length === 1) {
      each()
      return
    }
    // One lost delivery fails the whole call: then each is tried by itself.
    attempt(() => this.#consumer.record(requests.map((request) => request.record))).then(
      () => {
        for (const request of requests) this.#answers.done(request)
      },
      () => each(),
    )
  }

  #settle(request: Request, call: () => Promise<void>): void {
    attempt(call).then(
      () => this.#answers.done(request),
      (error: unknown) => this.#answers.failed(request, toError(error)),
    )
  }

  #read(request: Request, call: () => Promise<readonly Delivery[] | undefined>): void {
    attempt(call).then(
      (deliveries) => this.#answers.done(request, deliveries),
      (error: unknown) => this.#answers.failed(request, toError(error)),
    )
  }
}

/** A transport that throws where it should reject must not take the dispatcher with it. */
function attempt<T>(call: () => Promise<T>): Promise<T> {
  try {
    return call()
  } catch (error) {
    return Promise.reject(error)
  }
}
