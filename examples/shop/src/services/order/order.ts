/**
 * The order service: it owns the course of each order and tells the others what to do next.
 *
 *     placed ── goods reserved ──▶ paying ── paid ──▶ paid ── nothing missing ──▶ shipping ── courier has it ──▶ completed
 *                                    └─ declined, or unpaid too long ──▶ cancelled
 */
import type { BusinessFile, Effects } from '../../books/business-file.ts'
import {
  BookShipment,
  OrderCancelled,
  OrderCompleted,
  PaymentDeclined,
  PaymentExpired,
  PaymentRefunded,
  PaymentTaken,
  ReservationFilled,
  ReservationMade,
  ShipmentDispatched,
  type StockChanged,
  StockRanOut,
  StockReplenished,
  TakePayment,
} from '../../contracts/index.ts'
import { onEvent } from '../reaction.ts'
import type { ServiceDefinition } from '../service.ts'
import { finishReturn, nextStep, releaseReturns } from './return-path.ts'

interface Order {
  readonly id: string
  readonly customer: string | null
  readonly country: string
  readonly amountPence: number
  readonly units: number
  readonly state: string
  readonly missingLines: number
}

const schema = `
  CREATE TABLE IF NOT EXISTS orders (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, customer TEXT, country TEXT NOT NULL, at TEXT NOT NULL,
    amount_pence INTEGER NOT NULL, units INTEGER NOT NULL, lines TEXT NOT NULL, sale TEXT, state TEXT NOT NULL, missing_lines INTEGER NOT NULL DEFAULT 0, step INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS orders_by_customer ON orders (customer, seq) WHERE kind = 'sale';
  CREATE INDEX IF NOT EXISTS orders_by_sale ON orders (sale) WHERE sale IS NOT NULL;
  CREATE INDEX IF NOT EXISTS orders_open ON orders (state) WHERE state IN ('placed', 'paying', 'paid', 'shipping', 'waiting', 'refunding');
  CREATE TABLE IF NOT EXISTS catalogue (sku TEXT PRIMARY KEY, sold_out INTEGER NOT NULL, on_hand INTEGER NOT NULL) WITHOUT ROWID;
`

function load(file: BusinessFile, id: string): Order {
  const row = file.get('SELECT customer, country, amount_pence, units, state, missing_lines FROM orders WHERE id = ?', id)
  if (row === undefined) throw new Error(`order ${id} is unknown`)
  return {
    id,
    customer: row.customer === null ? null : String(row.customer),
    country: String(row.country),
    amountPence: Number(row.amount_pence),
    units: Number(row.units),
    state: String(row.state),
    missingLines: Number(row.missing_lines),
  }
}

function moveTo(file: BusinessFile, order: Order, state: string): void {
  file.run('UPDATE orders SET state = ? WHERE id = ?', state, order.id)
}

function complete(file: BusinessFile, order: Order, parcels: number, effects: Effects): void {
  moveTo(file, order, 'completed')
  effects.emit(
    OrderCompleted,
    { orderId: order.id, step: nextStep(file, order.id), customer: order.customer, amountPence: order.amountPence, parcels },
    `${order.id}/completed`,
  )
  releaseReturns(file, order.id, effects)
}

function cancel(file: BusinessFile, orderId: string, reason: 'declined' | 'unpaid', effects: Effects): void {
  const order = load(file, orderId)
  if (order.state !== 'paying') return
  moveTo(file, order, 'cancelled')
  effects.emit(OrderCancelled, { orderId, step: nextStep(file, orderId), customer: order.customer, reason }, `${orderId}/cancelled`)
  releaseReturns(file, orderId, effects)
}

// Paid and nothing missing: the goods leave. An order of no goods (postage, a voucher) is done when it is paid.
function shipIfReady(file: BusinessFile, order: Order, effects: Effects): void {
  if (order.units === 0) complete(file, order, 0, effects)
  else if (order.missingLines > 0) moveTo(file, order, 'paid')
  else {
    moveTo(file, order, 'shipping')
    effects.emit(BookShipment, { orderId: order.id, country: order.country, units: order.units }, `${order.id}/book`)
  }
}

function noteStock(file: BusinessFile, change: StockChanged, soldOut: 0 | 1, effects: Effects): void {
  effects.sawStep('shop.stock', change.sku, change.change)
  file.run(
    'INSERT INTO catalogue (sku, sold_out, on_hand) VALUES (?, ?, ?) ON CONFLICT (sku) DO UPDATE SET sold_out = excluded.sold_out, on_hand = excluded.on_hand',
    change.sku,
    soldOut,
    change.onHand,
  )
}

/** See the head of this file. */
export const orderService: ServiceDefinition = {
  schema,
  create: (file) => ({
    name: 'order',
    reactions: [
      onEvent(ReservationMade, ({ orderId, backorderedLines }, effects) => {
        const order = load(file, orderId)
        if (order.state !== 'placed') return
        file.run("UPDATE orders SET state = 'paying', missing_lines = ? WHERE id = ?", backorderedLines, orderId)
        effects.emit(TakePayment, { orderId, customer: order.customer, amountPence: order.amountPence }, `${orderId}/take`)
      }),
      onEvent(ReservationFilled, ({ orderId }, effects) => {
        file.run('UPDATE orders SET missing_lines = 0 WHERE id = ?', orderId)
        const order = load(file, orderId)
        if (order.state === 'paid') shipIfReady(file, order, effects)
      }),
      onEvent(PaymentTaken, ({ orderId }, effects) => {
        const order = load(file, orderId)
        if (order.state === 'paying') shipIfReady(file, order, effects)
      }),
      onEvent(PaymentDeclined, ({ orderId }, effects) => cancel(file, orderId, 'declined', effects)),
      onEvent(PaymentExpired, ({ orderId }, effects) => cancel(file, orderId, 'unpaid', effects)),
      onEvent(PaymentRefunded, ({ returnId }, effects) => finishReturn(file, returnId, effects)),
      onEvent(ShipmentDispatched, ({ orderId, parcels }, effects) => {
        const order = load(file, orderId)
        if (order.state === 'shipping') complete(file, order, parcels, effects)
      }),
      onEvent(StockRanOut, (change, effects) => noteStock(file, change, 1, effects)),
      onEvent(StockReplenished, (change, effects) => noteStock(file, change, 0, effects)),
    ],
    figures: () => {
      const open = file.get("SELECT count(*) AS n FROM orders WHERE state IN ('placed', 'paying', 'paid', 'shipping', 'waiting', 'refunding')")
      return { open: Number(open?.n), accepted: Number(file.get('SELECT max(seq) AS n FROM orders')?.n ?? 0) }
    },
  }),
}
