/**
 * The order API (HTTP on loopback):
 *
 * - `POST /orders` one invoice as JSON → 202 when it is durable (asynchronous), 201 when all services are done
 *   (synchronous chain), 200 when it was accepted before, 422 when no rule covers it, 502 when the chain broke.
 * - `POST /orders/batch` invoices as JSON lines, at most 1,000 → 202 `{ accepted, repeated }`; always asynchronous.
 * - `GET /orders/<id>` the state of an order; `GET /quote?sku=…` price and stock, asked of inventory over the bus.
 * - `POST /price-list` `{ surchargePercent }` → broadcast to every instance.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Bus, isSluiceError } from 'sluice'
import type { BusinessFile } from '../../books/business-file.ts'
import { answer, HttpError, type Route, readBody } from '../../chain/server.ts'
import { PriceListChanged, QuoteStock } from '../../contracts/index.ts'
import { type Demand, demandOf, invoiceSchema, UnbookableInvoice } from '../../rules/invoice.ts'
import type { Mode } from '../process/control.ts'
import { type Emitted, effectsOf, type Host, handOver, keepReply } from '../reaction.ts'
import { type Accepted, accept } from './acceptance.ts'

/** What the API needs beside its file. */
export interface OrderApiOptions {
  readonly file: BusinessFile
  readonly host: Host
  readonly bus: Bus
  mode(): Mode
  /** Runs the synchronous chain; see chain/chain.ts. */
  runChain(first: readonly Emitted[]): Promise<void>
}

const batchLinesMax = 1_000
const quoteTimeoutMs = 2_000

function parseInvoice(text: string): Demand {
  const parsed = invoiceSchema.safeParse(JSON.parse(text))
  if (!parsed.success) throw new HttpError(422, parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '))
  try {
    return demandOf(parsed.data)
  } catch (error) {
    throw error instanceof UnbookableInvoice ? new HttpError(422, error.message) : error
  }
}

/** Orders that arrive in the same tick share one commit: under load the disk's sync is paid once for many. */
class Door {
  readonly #options: OrderApiOptions
  #waiting: { demand: Demand; done: (accepted: Accepted) => void; failed: (error: unknown) => void }[] = []

  constructor(options: OrderApiOptions) {
    this.#options = options
  }

  accept(demand: Demand): Promise<Accepted> {
    return new Promise((done, failed) => {
      this.#waiting.push({ demand, done, failed })
      if (this.#waiting.length === 1) setImmediate(() => this.#commit())
    })
  }

  #commit(): void {
    const batch = this.#waiting
    this.#waiting = []
    try {
      const accepted = this.acceptAll(batch.map((each) => each.demand))
      for (const [position, each] of batch.entries()) each.done(accepted[position] as Accepted)
    } catch (error) {
      for (const each of batch) each.failed(error)
    }
  }

  acceptAll(demands: readonly Demand[]): readonly Accepted[] {
    const { file, host } = this.#options
    const accepted = file.transact(() =>
      demands.map((demand) => {
        const { result, emitted } = effectsOf(file, (effects) => accept(file, demand, effects))
        for (const message of emitted) file.enqueue(message)
        // The chain began this order and broke: what it asked for goes on by bus.
        const chain = result.repeated ? file.wasHandled(`accept/${demand.id}`) : undefined
        if (chain !== undefined) handOver(file, `accept/${demand.id}`, chain.reply)
        return result
      }),
    )
    host.wakeRelay()
    return accepted
  }
}

/** The order API as a route of the order service's server. */
export function orderApi(options: OrderApiOptions): Route {
  const { file, host, bus } = options
  const door = new Door(options)

  const placeSynchronously = async (demand: Demand): Promise<Accepted> => {
    const id = `accept/${demand.id}`
    const before = file.wasHandled(id)
    if (before !== undefined) {
      await options.runChain(JSON.parse(before.reply ?? '[]') as Emitted[])
      return { id: demand.id, kind: demand.kind, state: 'placed', repeated: true }
    }
    const [accepted, first] = file.transact(() => {
      const { result, emitted } = effectsOf(file, (effects) => accept(file, demand, effects))
      return [result, keepReply(host, id, 'accept', emitted)] as const
    })
    await options.runChain(first)
    return accepted
  }

  const placeOne = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const demand = parseInvoice(await readBody(request))
    if (options.mode() === 'synchronous') {
      const accepted = await placeSynchronously(demand)
      return answer(response, accepted.repeated ? 200 : 201, accepted)
    }
    const accepted = await door.accept(demand)
    answer(response, accepted.repeated ? 200 : 202, accepted)
  }

  const placeBatch = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const lines = (await readBody(request)).split('\n').filter((line) => line !== '')
    if (lines.length > batchLinesMax) throw new HttpError(413, `more than ${batchLinesMax} orders in one batch`)
    const accepted = door.acceptAll(lines.map(parseInvoice))
    const repeated = accepted.filter((each) => each.repeated).length
    answer(response, 202, { accepted: accepted.length - repeated, repeated })
  }

  const quote = async (skus: readonly string[], response: ServerResponse): Promise<void> => {
    if (skus.length === 0) throw new HttpError(400, 'say which stock codes: /quote?sku=85123A')
    try {
      answer(response, 200, await bus.request(QuoteStock, { skus: [...skus] }, { timeoutMs: quoteTimeoutMs }))
    } catch (error) {
      if (isSluiceError(error)) throw new HttpError(503, `inventory gives no quotation now (${error.code}); orders are taken all the same`)
      throw error
    }
  }

  const changePriceList = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { surchargePercent } = JSON.parse(await readBody(request)) as { surchargePercent?: unknown }
    if (!Number.isInteger(surchargePercent) || Number(surchargePercent) < -90 || Number(surchargePercent) > 900) {
      throw new HttpError(422, 'surchargePercent is a whole number from -90 to 900')
    }
    const version = Number(file.get('SELECT coalesce(max(version), 0) AS n FROM price_list_heard')?.n) + 1
    await bus.publish(PriceListChanged, { version, surchargePercent: Number(surchargePercent) }, { id: `price-list/${version}` })
    answer(response, 202, { version })
  }

  return async (request, url, response) => {
    const path = `${request.method} ${url.pathname}`
    if (path === 'POST /orders') await placeOne(request, response)
    else if (path === 'POST /orders/batch') await placeBatch(request, response)
    else if (path === 'GET /quote') await quote(url.searchParams.getAll('sku'), response)
    else if (path === 'POST /price-list') await changePriceList(request, response)
    else if (request.method === 'GET' && url.pathname.startsWith('/orders/')) {
      const id = decodeURIComponent(url.pathname.slice('/orders/'.length))
      const row = file.get('SELECT id, kind, state, sale, units, amount_pence FROM orders WHERE id = ?', id)
      if (row === undefined) throw new HttpError(404, `there is no order ${id}`)
      answer(response, 200, row)
    } else return false
    return true
  }
}
