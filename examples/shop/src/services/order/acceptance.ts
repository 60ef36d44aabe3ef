/** What happens at the door: an invoice becomes an order, once. Runs inside a transaction of the order service's file. */
import type { BusinessFile, Effects } from '../../books/business-file.ts'
import { AdjustLedger, CorrectStock, OrderPlaced } from '../../contracts/index.ts'
import { type Demand, isReturnOf, type Line, unitsOf } from '../../rules/invoice.ts'
import { beginReturn } from './return-path.ts'

/** What the door answers. */
export interface Accepted {
  readonly id: string
  readonly kind: Demand['kind']
  readonly state: string
  /** The same invoice was accepted before; nothing was done. */
  readonly repeated: boolean
}

/** Accepts a demand and asks for the messages that set the services going. */
export function accept(file: BusinessFile, demand: Demand, effects: Effects): Accepted {
  const known = file.get('SELECT kind, state FROM orders WHERE id = ?', demand.id)
  if (known !== undefined) return { id: demand.id, kind: demand.kind, state: String(known.state), repeated: true }
  const saleId = demand.kind === 'return' ? saleOf(file, demand) : undefined
  const state = demand.kind === 'sale' ? 'placed' : demand.kind === 'return' ? 'waiting' : 'forwarded'
  file.run(
    'INSERT INTO orders (id, kind, customer, country, at, amount_pence, units, lines, sale, state, step) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
    demand.id,
    demand.kind,
    demand.customer,
    demand.country,
    demand.at,
    demand.amountPence,
    unitsOf(demand.lines),
    JSON.stringify(demand.lines),
    saleId ?? null,
    state,
    demand.kind === 'sale' ? 1 : 0,
  )
  switch (demand.kind) {
    case 'sale':
      effects.emit(
        OrderPlaced,
        { orderId: demand.id, step: 1, customer: demand.customer, lines: demand.lines, unitPence: demand.unitPence },
        `${demand.id}/placed`,
      )
      break
    case 'return':
      beginReturn(file, demand.id, effects)
      break
    case 'adjustment':
      effects.emit(AdjustLedger, { orderId: demand.id, amountPence: demand.amountPence }, `${demand.id}/adjust`)
      break
    default:
      effects.emit(CorrectStock, { correctionId: demand.id, sign: demand.kind === 'stock-found' ? 1 : -1, lines: demand.lines }, `${demand.id}/correct`)
  }
  return { id: demand.id, kind: demand.kind, state, repeated: false }
}

// The newest earlier sale of the same customer that can be meant; see isReturnOf.
function saleOf(file: BusinessFile, returned: Demand): string | undefined {
  if (returned.customer === null || returned.lines.length === 0) return undefined
  const sales = file.all("SELECT id, units, lines FROM orders WHERE customer = ? AND kind = 'sale' ORDER BY seq DESC", returned.customer)
  for (const sale of sales) {
    if (unitsOf(returned.lines) > Number(sale.units)) continue
    const skus = new Set((JSON.parse(String(sale.lines)) as Line[]).map((line) => line.sku))
    if (isReturnOf(returned, { skus, units: Number(sale.units) })) return String(sale.id)
  }
  return undefined
}
