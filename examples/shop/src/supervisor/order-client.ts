/** The customers: they post invoices to the order API, wait in front of a closed door, and look at the clock. */
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Invoice } from '../rules/invoice.ts'
import type { ResponseTimes } from './response-times.ts'

/** What the client needs to know. */
export interface OrderClientOptions {
  /** Port of the order API; undefined while it is away. */
  port(): number | undefined
  readonly responseTimes: ResponseTimes
  /** Requests at once. */
  readonly concurrency: number
  readonly signal: AbortSignal
}

const retryDelayMs = 100
const batchSize = 500
const requestTimeoutMs = 30_000

/** See the head of this file. */
export class OrderClient {
  readonly #options: OrderClientOptions
  readonly #agent: Agent
  readonly #lastOf: Map<string, Promise<void>> = new Map()
  readonly #running: Set<Promise<void>> = new Set()
  #closing = false
  /** Orders that are accepted for sure. */
  accepted = 0
  /** Requests that failed and were made again. */
  retried = 0
  /** Customers that wait for an answer. */
  waiting = 0

  constructor(options: OrderClientOptions) {
    this.#options = options
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.concurrency })
  }

  /**
   * Posts one invoice, again and again until it is accepted. Resolves as soon as a place among the concurrent requests
   * is taken; a customer's own orders are posted one after the other, as customers do.
   * What is accepted is added to `accepted`, for the books.
   */
  async post(invoice: Invoice, accepted: Invoice[]): Promise<void> {
    while (this.#running.size >= this.#options.concurrency) await Promise.race(this.#running)
    const before = invoice.customer === null ? undefined : this.#lastOf.get(invoice.customer)
    const done = (async () => {
      await before
      if (await this.#untilAccepted('/orders', JSON.stringify(invoice), 1, true)) accepted.push(invoice)
    })()
    if (invoice.customer !== null) this.#lastOf.set(invoice.customer, done)
    this.#running.add(done)
    const leave = (): void => {
      this.#running.delete(done)
      if (invoice.customer !== null && this.#lastOf.get(invoice.customer) === done) this.#lastOf.delete(invoice.customer)
    }
    void done.then(leave, leave)
  }

  /** Posts many invoices in batches, one batch after the other; `progress` hears the count after each. */
  async postMany(invoices: Iterable<Invoice>, progress: (count: number) => void): Promise<void> {
    let batch: string[] = []
    let count = 0
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return
      const lines = batch
      batch = []
      if (!(await this.#untilAccepted('/orders/batch', lines.join('\n'), lines.length, false))) return
      count += lines.length
      progress(count)
    }
    for (const invoice of invoices) {
      if (this.#closing) return
      batch.push(JSON.stringify(invoice))
      if (batch.length === batchSize) await flush()
    }
    await flush()
  }

  /** Waits until every posted order is accepted (or `signal` aborted). */
  async settled(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
  }

  /** Lets nobody new in, and whoever is inside finish, for `deadlineMs` at most. */
  async finish(deadlineMs: number): Promise<void> {
    this.#closing = true
    await Promise.race([this.settled(), sleep(deadlineMs, undefined, { ref: false })])
  }

  close(): void {
    this.#agent.destroy()
  }

  async #untilAccepted(path: string, body: string, orders: number, measured: boolean): Promise<boolean> {
    const { signal, responseTimes } = this.#options
    this.waiting += orders
    try {
      while (!signal.aborted) {
        const port = this.#options.port()
        if (port !== undefined) {
          const startMs = performance.now()
          const status = await this.#post(port, path, body).catch(() => undefined)
          if (status !== undefined && status < 300) {
            if (measured) responseTimes.record(performance.now() - startMs)
            this.accepted += orders
            return true
          }
          if (status !== undefined && status >= 400 && status < 500) throw new Error(`the order API refuses ${body.slice(0, 200)}: status ${status}`)
          responseTimes.recordFailure()
        }
        this.retried++
        await sleep(retryDelayMs, undefined, { signal }).catch(() => {})
      }
      return false
    } finally {
      this.waiting -= orders
    }
  }

  #post(port: number, path: string, body: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
      const outgoing = request({ host: '127.0.0.1', port, method: 'POST', path, headers, agent: this.#agent, timeout: requestTimeoutMs }, (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode ?? 500))
        response.on('error', reject)
      })
      outgoing.on('timeout', () => outgoing.destroy(new Error('no answer in time')))
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }
}
