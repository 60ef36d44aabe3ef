/** `--once`: plays so many orders as fast as they are accepted, waits until all is worked off, and audits the books. */

import { DatabaseSync } from 'node:sqlite'
import type { Reconciliation } from '../books/reconcile.ts'
import { readInvoices } from '../rules/input.ts'
import type { Invoice } from '../rules/invoice.ts'
import { serviceNames } from '../services/topology.ts'
import { killAtRandom } from './chaos.ts'
import { Shop } from './shop.ts'
import type { Terminal } from './terminal.ts'

/** What `--once` runs with. */
export interface OnceOptions {
  readonly orders: number
  readonly busUrl: string | undefined
  /** Seed of the killings; undefined: nobody is killed. */
  readonly chaosSeed: number | undefined
  /** Keep the run's folder also when all is well. */
  readonly keep: boolean
  readonly terminal: Terminal
  readonly signal: AbortSignal
}

/** The last line of `--once --json`, as an object. */
export interface OnceResult {
  readonly ordersIn: number
  readonly worked: boolean
  readonly states: Readonly<Record<string, number>>
  readonly effects: Readonly<Record<string, number>>
  readonly doubledEffects: number
  readonly lost: number
  readonly unexplained: number
  readonly outOfOrder: number
  readonly redeliveries: number
  readonly providerRepeats: number
  readonly deadLetters: number
  readonly kills: number
  readonly chaosSeed: number | null
  readonly seconds: number
  readonly messagesHandled: number
  readonly messagesPerSecond: number
  readonly orderApi: { readonly p50Ms: number | null; readonly p99Ms: number | null; readonly requests: number; readonly repeated: number }
  readonly quotations: { readonly answered: number; readonly unanswered: number }
  readonly priceLists: { readonly published: number; readonly heard: number; readonly instances: number }
  readonly reconciliation: Reconciliation['books']
  readonly differences: readonly string[]
  readonly balanced: boolean
}

const quoteEvery = 100
// Enough deaths for a short run, too; the last orders are under fire like the first.
const killsMin = 6

/** Runs; resolves to the result. The run's folder is removed unless something is wrong with it. */
export async function runOnce(options: OnceOptions): Promise<OnceResult> {
  const { terminal, chaosSeed } = options
  const invoices = await readInvoices(options.orders)
  const shop = await Shop.open({
    ...(options.busUrl === undefined ? {} : { busUrl: options.busUrl }),
    complain: (service, text) => terminal.complain(service, text),
  })
  const stopKilling = new AbortController()
  const quotations = { answered: 0, unanswered: 0 }
  let published = 0
  try {
    let kills = 0
    const killing =
      chaosSeed === undefined ? undefined : killAtRandom(shop.children, chaosSeed, stopKilling.signal, (text) => terminal.note(`${text}, death ${++kills}`))
    const startMs = performance.now()
    const posted: Invoice[] = []
    shop.posted.push(posted)
    for (const [index, invoice] of invoices.entries()) {
      if (options.signal.aborted) break
      await shop.client.post(invoice, posted)
      if (index % quoteEvery === 0) {
        const status = await shop.quote(invoice.skus[0] ?? '').catch(() => undefined)
        if (status?.status === 200) quotations.answered++
        else quotations.unanswered++
      }
      if (index === 0 || index === Math.floor(invoices.length / 2)) {
        published += await shop.changePriceList(index === 0 ? 0 : 5).then(
          () => 1,
          () => 0,
        )
      }
      terminal.progress('orders posted', shop.client.accepted, invoices.length)
    }
    await shop.client.settled()
    const worked = async (): Promise<boolean> =>
      shop.drained(60_000 + invoices.length * 20, (left) =>
        terminal.progress('worked off', invoices.length - Math.min(left.openOrders, invoices.length), invoices.length),
      )
    if (killing !== undefined) {
      while (kills < killsMin && !options.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 50))
      stopKilling.abort()
      await killing
    }
    const done = await worked()
    const seconds = (performance.now() - startMs) / 1000
    const deadLetters = (await shop.groups()).reduce((sum, group) => sum + group.deadLetters, 0)
    terminal.note('stopping the services')
    await shop.close(10_000)
    const audit = shop.reconcile()
    const heard = priceListsHeard(shop.folder)
    const messagesHandled = sumOver(shop.folder, 'SELECT count(*) AS n FROM handled')
    const times = shop.responseTimes.overall()
    // A dead instance hears nothing, so only an undisturbed run must be heard by all.
    const broadcastOk = chaosSeed !== undefined || (published === 2 && heard.heard === 2 * serviceNames.length)
    const balanced = done && audit.balanced && deadLetters === 0 && broadcastOk
    if (balanced && !options.keep) await shop.remove()
    else terminal.note(`the files of this run are kept in ${shop.folder}`)
    return {
      ordersIn: shop.client.accepted,
      worked: done,
      states: audit.states,
      effects: audit.effects,
      doubledEffects: audit.doubledEffects,
      lost: audit.lost,
      unexplained: audit.unexplained,
      outOfOrder: audit.outOfOrder,
      redeliveries: audit.redeliveries,
      providerRepeats: audit.providerRepeats,
      deadLetters,
      kills,
      chaosSeed: chaosSeed ?? null,
      seconds: round(seconds),
      messagesHandled,
      messagesPerSecond: Math.round(messagesHandled / seconds),
      orderApi: { p50Ms: times.p50Ms ?? null, p99Ms: times.p99Ms ?? null, requests: times.count, repeated: shop.client.retried },
      quotations,
      priceLists: { published, ...heard },
      reconciliation: audit.books,
      differences: audit.differences,
      balanced,
    }
  } catch (error) {
    stopKilling.abort()
    await shop.close(1_000)
    throw error
  }
}

function priceListsHeard(folder: string): { readonly heard: number; readonly instances: number } {
  return {
    heard: sumOver(folder, 'SELECT count(*) AS n FROM price_list_heard'),
    instances: sumOver(folder, 'SELECT count(DISTINCT instance) AS n FROM price_list_heard'),
  }
}

function sumOver(folder: string, sql: string): number {
  return serviceNames.reduce((sum, service) => {
    using db = new DatabaseSync(`${folder}/${service}.db`, { readOnly: true })
    return sum + Number(db.prepare(sql).get()?.n)
  }, 0)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
