/**
 * What must stand in the books after all these invoices, whatever happened on the way. One pass over the input in its
 * order; no bus, no files, none of the services' code: only the rules (rules/) are shared.
 */
import { type Demand, demandOf, type Invoice, isReturnOf, type Line, unitsOf } from '../rules/invoice.ts'
import { parcelsFor, paymentCourse, pointsFor, startUnits } from '../rules/terms.ts'
import type { ServiceName } from '../services/topology.ts'

/** What one cause must have left in one ledger: so many rows, with this sum. */
export interface Entry {
  readonly rows: number
  readonly amount: number
}

/** Expected contents of every service's ledger, by cause. */
export interface ExpectedBooks {
  readonly ledgers: Readonly<Record<ServiceName, ReadonlyMap<string, Entry>>>
  /** Final state of each order. */
  readonly states: ReadonlyMap<string, string>
  /** Net units by stock code, without what the supplier brought: on hand − queued − supplied. */
  readonly stock: ReadonlyMap<string, number>
  /** What left the shelves of a code at most before anything came back: bounds what the supplier had to bring. */
  readonly demand: ReadonlyMap<string, number>
  /** Points by customer. */
  readonly points: ReadonlyMap<string, number>
  /** What went through the bank, net pence: everything but transfers. */
  readonly bankPence: number
}

interface Sale {
  readonly skus: ReadonlySet<string>
  readonly units: number
  readonly paid: boolean
  pointsLeft: number
}

class Books implements ExpectedBooks {
  readonly ledgers: Record<ServiceName, Map<string, Entry>> = {
    order: new Map(),
    inventory: new Map(),
    payment: new Map(),
    logistics: new Map(),
    notification: new Map(),
    points: new Map(),
  }
  readonly states: Map<string, string> = new Map()
  readonly stock: Map<string, number> = new Map()
  readonly demand: Map<string, number> = new Map()
  readonly points: Map<string, number> = new Map()
  bankPence = 0
  readonly #sales: Map<string, Sale[]> = new Map()

  add(demand: Demand): void {
    if (this.states.has(demand.id)) return
    this.ledgers.order.set(demand.id, { rows: 1, amount: demand.amountPence })
    if (demand.kind === 'sale') this.#sale(demand)
    else if (demand.kind === 'return') this.#return(demand)
    else {
      this.states.set(demand.id, 'forwarded')
      if (demand.kind === 'adjustment') this.#enter('payment', `${demand.id}/adjust`, demand.amountPence)
      else this.#moveStock(`${demand.id}/correct`, demand.lines, demand.kind === 'stock-found' ? 1 : -1)
    }
  }

  #sale(sale: Demand): void {
    const { id, customer, amountPence } = sale
    const course = paymentCourse(id, amountPence)
    const paid = course === 'taken' || course === 'transfer'
    this.states.set(id, paid ? 'completed' : 'cancelled')
    this.#moveStock(`${id}/placed`, sale.lines, -1)
    this.#enter('notification', paid ? `${id}/completed` : `${id}/cancelled`, customer === null ? 0 : 1)
    if (paid) {
      this.#enter('payment', `${id}/take`, amountPence)
      if (course === 'taken') this.bankPence += amountPence
      if (sale.lines.length > 0) this.#enter('logistics', id, parcelsFor(unitsOf(sale.lines)))
      if (customer !== null) this.#givePoints(`${id}/completed`, customer, pointsFor(amountPence))
    } else this.#moveStock(`${id}/cancelled`, sale.lines, 1)
    if (customer === null) return
    const known: Sale = { skus: new Set(sale.lines.map((line) => line.sku)), units: unitsOf(sale.lines), paid, pointsLeft: pointsFor(amountPence) }
    const sales = this.#sales.get(customer)
    if (sales === undefined) this.#sales.set(customer, [known])
    else sales.push(known)
  }

  #return(returned: Demand): void {
    const { id, customer, amountPence } = returned
    const sale = customer === null ? undefined : this.#sales.get(customer)?.findLast((candidate) => isReturnOf(returned, candidate))
    if (sale?.paid === false) {
      this.states.set(id, 'void')
      return
    }
    this.states.set(id, 'refunded')
    this.#moveStock(`${id}/returned`, returned.lines, 1)
    this.#enter('payment', `${id}/refund`, -amountPence)
    this.bankPence -= amountPence
    this.#enter('notification', `${id}/refunded`, customer === null ? 0 : 1)
    if (customer === null || sale === undefined) return
    const points = Math.min(sale.pointsLeft, pointsFor(amountPence))
    sale.pointsLeft -= points
    this.#givePoints(`${id}/refunded`, customer, -points)
  }

  #enter(service: ServiceName, cause: string, amount: number): void {
    this.ledgers[service].set(cause, { rows: 1, amount })
  }

  #givePoints(cause: string, customer: string, points: number): void {
    this.#enter('points', cause, points)
    this.points.set(customer, (this.points.get(customer) ?? 0) + points)
  }

  #moveStock(cause: string, lines: readonly Line[], sign: 1 | -1): void {
    if (lines.length === 0) return
    this.ledgers.inventory.set(cause, { rows: lines.length, amount: sign * unitsOf(lines) })
    for (const { sku, units } of lines) {
      this.stock.set(sku, (this.stock.get(sku) ?? startUnits) + sign * units)
      if (sign < 0) this.demand.set(sku, (this.demand.get(sku) ?? 0) + units)
    }
  }
}

/** The books after these invoices. A repeated invoice counts once, as at the door. */
export function expectedBooks(invoices: Iterable<Invoice>): ExpectedBooks {
  const books = new Books()
  for (const invoice of invoices) books.add(demandOf(invoice))
  return books
}
