/** `--compare`: the order API's response times in both modes in one run, with the providers' latencies and without. */

import type { ProviderLatencies } from '../providers/provider.ts'
import { standardLatencies } from '../providers/provider.ts'
import { readInvoices, replicate } from '../rules/input.ts'
import { demandOf, type Invoice } from '../rules/invoice.ts'
import type { Mode } from '../services/process/control.ts'
import type { Percentiles } from './response-times.ts'
import { Shop } from './shop.ts'
import type { Terminal } from './terminal.ts'

/** One measurement. */
export interface Measured extends Percentiles {
  readonly mode: Mode
  readonly latencies: ProviderLatencies
}

/** Result of `--compare`. Ratios are synchronous ÷ asynchronous. */
export interface Comparison {
  readonly customers: number
  readonly withLatency: { readonly synchronous: Measured; readonly asynchronous: Measured; readonly ratioP50: number; readonly ratioP99: number }
  readonly withoutLatency: { readonly synchronous: Measured; readonly asynchronous: Measured; readonly ratioP50: number; readonly ratioP99: number }
  /** Whether the books of all four measurements balance. */
  readonly balanced: boolean
}

const customers = 8
const warmUp = 24
const noLatency: ProviderLatencies = { payment: 0, courier: 0, sms: 0 }

/** Runs both modes with the same invoices (under new ids), `orders` each. */
export async function compare(orders: number, terminal: Terminal, signal: AbortSignal): Promise<Comparison> {
  const sales = (await readInvoices(Math.max(600, orders * 2))).filter((invoice) => demandOf(invoice).kind === 'sale').slice(0, orders)
  const shop = await Shop.open({ concurrency: customers, complain: (service, text) => terminal.complain(service, text) })
  let round = 0
  const measure = async (mode: Mode, latencies: ProviderLatencies): Promise<Measured> => {
    shop.setMode(mode)
    shop.children.setLatencies(latencies)
    await new Promise((resolve) => setTimeout(resolve, 200))
    const invoices = [...replicate(sales, warmUp + orders, ++round)]
    const accepted: Invoice[] = []
    shop.posted.push(accepted)
    for (const [index, invoice] of invoices.entries()) {
      if (signal.aborted) throw new Error('interrupted')
      if (index === warmUp) {
        await shop.client.settled()
        shop.responseTimes.takeRecent()
      }
      await shop.client.post(invoice, accepted)
      terminal.progress(`${mode}, ${latencies.payment} + ${latencies.courier} + ${latencies.sms} ms`, index + 1, invoices.length)
    }
    await shop.client.settled()
    const { p50Ms, p99Ms, count } = shop.responseTimes.takeRecent()
    await shop.drained(120_000)
    return { mode, latencies, p50Ms, p99Ms, count }
  }
  try {
    const both = async (latencies: ProviderLatencies): Promise<Comparison['withLatency']> => {
      const synchronous = await measure('synchronous', latencies)
      const asynchronous = await measure('asynchronous', latencies)
      return { synchronous, asynchronous, ratioP50: ratio(synchronous.p50Ms, asynchronous.p50Ms), ratioP99: ratio(synchronous.p99Ms, asynchronous.p99Ms) }
    }
    const withLatency = await both(standardLatencies)
    const withoutLatency = await both(noLatency)
    await shop.close(10_000)
    const { balanced, differences } = shop.reconcile()
    if (balanced) await shop.remove()
    else terminal.note(`the books do not balance (${differences[0]}); the files of this run are kept in ${shop.folder}`)
    return { customers, withLatency, withoutLatency, balanced }
  } catch (error) {
    await shop.close(1_000)
    throw error
  }
}

function ratio(a: number | undefined, b: number | undefined): number {
  return a === undefined || b === undefined ? Number.NaN : Math.round((a / b) * 10) / 10
}
