/**
 * One stock code's shelf. Invariant, held by every function and checked by the books:
 *
 *     on hand − queued = units at the start + all movements
 *
 * Orders that find too little queue per code, first come first served; the supplier then delivers whole lots.
 */
import type { BusinessFile, Effects } from '../../books/business-file.ts'
import { ReplenishStock, ReservationFilled, StockRanOut, StockReplenished } from '../../contracts/index.ts'
import { lotUnits, startUnits, supplierDelayMs } from '../../rules/terms.ts'

/** Why units moved; the sign is the movement's. */
export type Movement = 'sold' | 'released' | 'returned' | 'found' | 'gone' | 'supplied'

/** Business tables of inventory. */
export const schema = `
  CREATE TABLE IF NOT EXISTS stock (
    sku TEXT PRIMARY KEY, on_hand INTEGER NOT NULL DEFAULT ${startUnits}, queued INTEGER NOT NULL DEFAULT 0, on_order INTEGER NOT NULL DEFAULT 0,
    deliveries INTEGER NOT NULL DEFAULT 0, change INTEGER NOT NULL DEFAULT 0, unit_pence INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS stock_on_order ON stock (on_order) WHERE on_order = 1;
  CREATE TABLE IF NOT EXISTS movements (cause TEXT NOT NULL, sku TEXT NOT NULL, why TEXT NOT NULL, units INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS queue (seq INTEGER PRIMARY KEY AUTOINCREMENT, order_id TEXT NOT NULL, sku TEXT NOT NULL, units INTEGER NOT NULL);
  CREATE INDEX IF NOT EXISTS queue_by_sku ON queue (sku, seq);
  CREATE INDEX IF NOT EXISTS queue_by_order ON queue (order_id);
  CREATE TABLE IF NOT EXISTS reservations (order_id TEXT PRIMARY KEY, lines TEXT NOT NULL, missing_lines INTEGER NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;
`

/** Writes a movement into the ledger. Rows are never changed, and nothing but `handled` keeps them single. */
export function move(file: BusinessFile, cause: string, sku: string, why: Movement, units: number): void {
  file.run('INSERT INTO movements (cause, sku, why, units) VALUES (?, ?, ?, ?)', cause, sku, why, units)
}

/** Makes sure that the code has a shelf. */
export function open(file: BusinessFile, sku: string): void {
  file.run('INSERT INTO stock (sku) VALUES (?) ON CONFLICT (sku) DO NOTHING', sku)
}

/** Takes units for an order, or queues the whole line. Returns whether it had to queue. */
export function reserve(file: BusinessFile, orderId: string, sku: string, units: number, unitPence: number, effects: Effects): boolean {
  open(file, sku)
  move(file, `${orderId}/placed`, sku, 'sold', -units)
  const taken = file.get(
    'UPDATE stock SET on_hand = on_hand - ?, unit_pence = ? WHERE sku = ? AND queued = 0 AND on_hand >= ? RETURNING on_hand',
    units,
    unitPence,
    sku,
    units,
  )
  if (taken !== undefined) return false
  file.run('INSERT INTO queue (order_id, sku, units) VALUES (?, ?, ?)', orderId, sku, units)
  const row = file.get('UPDATE stock SET queued = queued + ?, unit_pence = ? WHERE sku = ? RETURNING on_order', units, unitPence, sku)
  if (Number(row?.on_order) === 0) {
    announce(file, sku, StockRanOut, effects)
    orderFromSupplier(file, sku, effects)
  }
  return true
}

/** Puts units on the shelf (or, negative, takes them off whatever the count says) and serves who waits. */
export function put(file: BusinessFile, sku: string, units: number, effects: Effects): void {
  open(file, sku)
  file.run('UPDATE stock SET on_hand = on_hand + ? WHERE sku = ?', units, sku)
  serve(file, sku, effects)
  const row = file.get('SELECT on_hand, queued, on_order FROM stock WHERE sku = ?', sku)
  if (Number(row?.on_order) === 0 && Number(row?.on_hand) < Number(row?.queued)) orderFromSupplier(file, sku, effects)
}

/** Gives up what an order reserved or queues for. */
export function release(file: BusinessFile, orderId: string, sku: string, units: number, effects: Effects): void {
  move(file, `${orderId}/cancelled`, sku, 'released', units)
  const queued = file.get('DELETE FROM queue WHERE order_id = ? AND sku = ? RETURNING units', orderId, sku)
  if (queued !== undefined) file.run('UPDATE stock SET queued = queued - ? WHERE sku = ?', units, sku)
  put(file, sku, queued === undefined ? units : 0, effects)
}

/** The supplier is at the door: whole lots for what is missing now; nothing if returns made up for it meanwhile. */
export function deliver(file: BusinessFile, sku: string, effects: Effects): void {
  const row = file.get('UPDATE stock SET on_order = 0, deliveries = deliveries + 1 WHERE sku = ? RETURNING on_hand, queued, deliveries', sku)
  const missing = Number(row?.queued) - Number(row?.on_hand)
  const units = Math.ceil(Math.max(0, missing) / lotUnits) * lotUnits
  if (units > 0) move(file, `supply/${sku}/${row?.deliveries}`, sku, 'supplied', units)
  put(file, sku, units, effects)
  announce(file, sku, StockReplenished, effects)
}

function serve(file: BusinessFile, sku: string, effects: Effects): void {
  for (;;) {
    // Only the head may leave: a small order must not overtake a big one that came first.
    const next = file.get('SELECT q.seq, q.order_id, q.units, s.on_hand FROM queue q JOIN stock s ON s.sku = q.sku WHERE q.sku = ? ORDER BY q.seq LIMIT 1', sku)
    if (next === undefined || Number(next.units) > Number(next.on_hand)) return
    file.run('DELETE FROM queue WHERE seq = ?', Number(next.seq))
    file.run('UPDATE stock SET on_hand = on_hand - ?, queued = queued - ? WHERE sku = ?', Number(next.units), Number(next.units), sku)
    const orderId = String(next.order_id)
    const left = file.get('UPDATE reservations SET missing_lines = missing_lines - 1 WHERE order_id = ? RETURNING missing_lines', orderId)
    if (Number(left?.missing_lines) === 0) effects.emit(ReservationFilled, { orderId }, `${orderId}/filled`)
  }
}

function orderFromSupplier(file: BusinessFile, sku: string, effects: Effects): void {
  const row = file.get('UPDATE stock SET on_order = 1 WHERE sku = ? RETURNING deliveries', sku)
  effects.emit(ReplenishStock, { sku }, `supply/${sku}/${Number(row?.deliveries) + 1}`, supplierDelayMs)
}

function announce(file: BusinessFile, sku: string, contract: typeof StockRanOut | typeof StockReplenished, effects: Effects): void {
  const row = file.get('UPDATE stock SET change = change + 1 WHERE sku = ? RETURNING change, on_hand', sku)
  effects.emit(contract, { sku, change: Number(row?.change), onHand: Number(row?.on_hand) }, `stock/${sku}/${row?.change}`)
}
