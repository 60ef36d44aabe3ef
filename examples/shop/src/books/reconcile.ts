/** Holds every service's file, and the providers' own ledgers, against the expected books. */
import { existsSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { ledgerFile } from '../providers/provider.ts'
import { lotUnits, startUnits } from '../rules/terms.ts'
import { type ServiceName, serviceNames } from '../services/topology.ts'
import type { Entry, ExpectedBooks } from './expected.ts'

/** One account: what it should be, what it is. */
export interface Balance {
  readonly expected: number
  readonly actual: number
  readonly balanced: boolean
}

/** Outcome of a reconciliation; figures add up over all services. */
export interface Reconciliation {
  readonly balanced: boolean
  /** Effects (causes that left something) by service. */
  readonly effects: Readonly<Record<ServiceName, number>>
  /** Ledger rows that should not be there a second time. */
  readonly doubledEffects: number
  /** Causes that left nothing, or not enough. */
  readonly lost: number
  /** Causes that nothing in the input explains. */
  readonly unexplained: number
  readonly outOfOrder: number
  /** Messages that came again and changed nothing. */
  readonly redeliveries: number
  /** Calls to providers that were repeated and that their idempotency keys made harmless. */
  readonly providerRepeats: number
  readonly states: Readonly<Record<string, number>>
  readonly books: {
    readonly moneyPence: Balance
    readonly bankPence: Balance
    readonly stockUnits: Balance
    readonly suppliedLots: { readonly actual: number; readonly atLeast: number; readonly atMost: number; readonly balanced: boolean }
    readonly points: Balance
    readonly parcels: Balance
    readonly courierParcels: Balance
    readonly mails: Balance
    readonly smsSent: Balance
  }
  /** The first few differences in words. */
  readonly differences: readonly string[]
}

const ledgerSql: Readonly<Record<ServiceName, string>> = {
  order: 'SELECT id AS cause, count(*) AS n, sum(amount_pence) AS amount FROM orders GROUP BY id',
  inventory: "SELECT cause, count(*) AS n, sum(units) AS amount FROM movements WHERE why <> 'supplied' GROUP BY cause",
  payment: 'SELECT cause, count(*) AS n, sum(amount_pence) AS amount FROM bookings GROUP BY cause',
  logistics: 'SELECT order_id AS cause, count(*) AS n, sum(parcels) AS amount FROM shipments GROUP BY order_id',
  notification: 'SELECT cause, count(*) AS n, sum(customer IS NOT NULL) AS amount FROM notices GROUP BY cause',
  points: 'SELECT cause, count(*) AS n, sum(points) AS amount FROM entries GROUP BY cause',
}
const differencesMax = 20

class Audit {
  readonly differences: string[] = []
  differenceCount = 0
  doubled = 0
  lost = 0
  unexplained = 0

  differ(text: string): void {
    this.differenceCount++
    if (this.differences.length < differencesMax) this.differences.push(text)
  }

  ledger(service: ServiceName, rows: readonly Row[], expected: ReadonlyMap<string, Entry>): void {
    const seen = new Set<string>()
    for (const row of rows) {
      const cause = String(row.cause)
      const entry = expected.get(cause)
      seen.add(cause)
      if (entry === undefined) {
        this.unexplained++
        this.differ(`${service}: nothing in the input explains ${cause}`)
        continue
      }
      if (Number(row.n) > entry.rows) this.doubled += Number(row.n) - entry.rows
      if (Number(row.n) < entry.rows) this.lost += entry.rows - Number(row.n)
      if (Number(row.n) !== entry.rows || Number(row.amount) !== entry.amount) {
        this.differ(`${service}: ${cause} has ${row.n} rows over ${row.amount}, expected ${entry.rows} over ${entry.amount}`)
      }
    }
    for (const cause of expected.keys()) {
      if (seen.has(cause)) continue
      this.lost++
      this.differ(`${service}: ${cause} left nothing`)
    }
  }

  compare(what: string, expected: ReadonlyMap<string, number | string>, rows: readonly Row[]): void {
    for (const row of rows) {
      const should = expected.get(String(row.key))
      if (should !== row.value) this.differ(`${what} ${row.key}: ${row.value}, expected ${should}`)
    }
  }

  balance(expected: number, actual: number): Balance {
    if (expected !== actual) this.differenceCount++
    return { expected, actual, balanced: expected === actual }
  }
}

type Row = Record<string, unknown>

function query(path: string, sql: string): Row[] {
  using db = new DatabaseSync(path, { readOnly: true })
  return db.prepare(sql).all()
}

function amounts(ledger: ReadonlyMap<string, Entry>): number {
  let sum = 0
  for (const entry of ledger.values()) sum += entry.amount
  return sum
}

/** Reads the files in `folder` (no process may be writing them) and compares. */
export function reconcile(folder: string, expected: ExpectedBooks): Reconciliation {
  const audit = new Audit()
  const ask = (service: ServiceName, sql: string): Row[] => query(`${folder}/${service}.db`, sql)
  const sum = (service: ServiceName, sql: string): number => Number(ask(service, sql)[0]?.n ?? 0)
  const provider = (name: 'bank' | 'courier' | 'sms', what: string): number => {
    const path = `${folder}/${ledgerFile(name)}`
    return existsSync(path) ? Number(query(path, `SELECT coalesce(sum(${what}), 0) AS n FROM performed`)[0]?.n) : 0
  }
  const effects = Object.fromEntries(
    serviceNames.map((service) => {
      const rows = ask(service, ledgerSql[service])
      audit.ledger(service, rows, expected.ledgers[service])
      return [service, rows.length]
    }),
  ) as Record<ServiceName, number>
  audit.compare('order', expected.states, ask('order', 'SELECT id AS key, state AS value FROM orders'))
  audit.compare(
    'stock of',
    expected.stock,
    ask(
      'inventory',
      `
      SELECT s.sku AS key, s.on_hand - s.queued - coalesce(p.units, 0) AS value FROM stock s
      LEFT JOIN (SELECT sku, sum(units) AS units FROM movements WHERE why = 'supplied' GROUP BY sku) p ON p.sku = s.sku`,
    ),
  )
  audit.compare('points of', expected.points, ask('points', 'SELECT customer AS key, sum(points) AS value FROM entries GROUP BY customer'))
  const perService = (sql: string): number => serviceNames.reduce((total, service) => total + sum(service, sql), 0)
  const outOfOrder = perService('SELECT count(*) AS n FROM out_of_order')
  const supplied = suppliedLots(ask('inventory', "SELECT sku AS key, sum(units) AS value FROM movements WHERE why = 'supplied' GROUP BY sku"), expected)
  const stockExpected = [...expected.stock.values()].reduce((total, units) => total + units, 0)
  const books = {
    moneyPence: audit.balance(amounts(expected.ledgers.payment), sum('payment', 'SELECT sum(amount_pence) AS n FROM bookings')),
    bankPence: audit.balance(expected.bankPence, provider('bank', 'amount')),
    stockUnits: audit.balance(stockExpected, sum('inventory', 'SELECT sum(on_hand - queued) AS n FROM stock') - supplied.actual * lotUnits),
    suppliedLots: supplied,
    points: audit.balance(amounts(expected.ledgers.points), sum('points', 'SELECT sum(points) AS n FROM entries')),
    parcels: audit.balance(amounts(expected.ledgers.logistics), sum('logistics', 'SELECT sum(parcels) AS n FROM shipments')),
    courierParcels: audit.balance(amounts(expected.ledgers.logistics), provider('courier', 'amount')),
    mails: audit.balance(amounts(expected.ledgers.notification), sum('notification', 'SELECT count(customer) AS n FROM notices')),
    smsSent: audit.balance(amounts(expected.ledgers.notification), provider('sms', 'amount')),
  }
  if (!supplied.balanced) audit.differ('the supplier brought more, or less, than the orders can have needed')
  if (outOfOrder > 0) audit.differ(`${outOfOrder} messages came out of order`)
  const states = Object.fromEntries(
    ask('order', 'SELECT state AS key, count(*) AS value FROM orders GROUP BY state').map((row) => [String(row.key), Number(row.value)]),
  )
  return {
    balanced: audit.differenceCount === 0,
    effects,
    doubledEffects: audit.doubled,
    lost: audit.lost,
    unexplained: audit.unexplained,
    outOfOrder,
    redeliveries: perService('SELECT coalesce(sum(times), 0) AS n FROM redelivered'),
    providerRepeats: (['bank', 'courier', 'sms'] as const).reduce((total, name) => total + provider(name, 'calls - 1'), 0),
    states,
    books,
    differences: audit.differences,
  }
}

// How much the supplier had to bring depends on who came first, but not beyond these bounds: at least what is missing
// at the end, at most what was missing had every sale come before every return.
function suppliedLots(rows: readonly Row[], expected: ExpectedBooks): Reconciliation['books']['suppliedLots'] {
  const brought = new Map(rows.map((row) => [String(row.key), Number(row.value)]))
  let actual = 0
  let atLeast = 0
  let atMost = 0
  let balanced = [...brought.keys()].every((sku) => expected.stock.has(sku))
  for (const [sku, net] of expected.stock) {
    const lots = (brought.get(sku) ?? 0) / lotUnits
    const least = Math.ceil(Math.max(0, -net) / lotUnits)
    const most = Math.ceil(Math.max(0, (expected.demand.get(sku) ?? 0) - startUnits) / lotUnits)
    balanced &&= Number.isInteger(lots) && lots >= least && lots <= most
    actual += lots
    atLeast += least
    atMost += most
  }
  return { actual, atLeast, atMost, balanced }
}
