/** The inventory service: reserves, releases, takes back, corrects; answers quotations. The rules are in shelf.ts. */
import type { Bus } from 'sluice'
import type { BusinessFile } from '../../books/business-file.ts'
import {
  CorrectStock,
  OrderCancelled,
  OrderPlaced,
  OrderReturned,
  type QuoteAnswer,
  QuoteStock,
  ReplenishStock,
  ReservationMade,
} from '../../contracts/index.ts'
import type { Line } from '../../rules/invoice.ts'
import { startUnits } from '../../rules/terms.ts'
import { onCommand, onEvent } from '../reaction.ts'
import type { ServiceDefinition } from '../service.ts'
import { deliver, move, put, release, reserve, schema } from './shelf.ts'

/** What is on the shelf of these codes, at the current price list. */
export function quote(file: BusinessFile, skus: readonly string[]): QuoteAnswer {
  const list = file.get('SELECT version, surcharge_percent FROM price_list_heard ORDER BY version DESC LIMIT 1')
  const surcharge = 1 + Number(list?.surcharge_percent ?? 0) / 100
  const quotes = skus.map((sku) => {
    const row = file.get('SELECT on_hand, queued, unit_pence FROM stock WHERE sku = ?', sku)
    return {
      sku,
      onHand: Number(row?.on_hand ?? startUnits),
      backordered: Number(row?.queued ?? 0),
      unitPence: Math.round(Number(row?.unit_pence ?? 0) * surcharge),
    }
  })
  return { priceListVersion: Number(list?.version ?? 0), quotes }
}

/** See the head of this file. */
export const inventoryService: ServiceDefinition = {
  schema,
  create: (file) => ({
    name: 'inventory',
    reactions: [
      onEvent(OrderPlaced, ({ orderId, step, lines, unitPence }, effects) => {
        effects.sawStep('shop.order', orderId, step)
        let missingLines = 0
        for (const { sku, units } of lines) if (reserve(file, orderId, sku, units, unitPence, effects)) missingLines++
        file.run("INSERT INTO reservations (order_id, lines, missing_lines, state) VALUES (?, ?, ?, 'held')", orderId, JSON.stringify(lines), missingLines)
        effects.emit(ReservationMade, { orderId, backorderedLines: missingLines }, `${orderId}/reserved`)
      }),
      onEvent(OrderCancelled, ({ orderId, step }, effects) => {
        effects.sawStep('shop.order', orderId, step)
        const row = file.get("UPDATE reservations SET state = 'released' WHERE order_id = ? RETURNING lines", orderId)
        for (const { sku, units } of JSON.parse(String(row?.lines)) as Line[]) release(file, orderId, sku, units, effects)
      }),
      onEvent(OrderReturned, ({ orderId, step, returnId, lines }, effects) => {
        effects.sawStep('shop.order', orderId, step)
        for (const { sku, units } of lines) {
          move(file, `${returnId}/returned`, sku, 'returned', units)
          put(file, sku, units, effects)
        }
      }),
      onCommand(CorrectStock, ({ correctionId, sign, lines }, effects) => {
        for (const { sku, units } of lines) {
          move(file, `${correctionId}/correct`, sku, sign > 0 ? 'found' : 'gone', sign * units)
          put(file, sku, sign * units, effects)
        }
      }),
      onCommand(ReplenishStock, ({ sku }, effects) => deliver(file, sku, effects)),
    ],
    register: (bus: Bus) => void bus.handle(QuoteStock, ({ skus }) => quote(file, skus)),
    // Codes on order count as open: the supplier is still to come.
    figures: () => ({
      open: Number(file.get('SELECT count(*) AS n FROM stock WHERE on_order = 1')?.n),
      movements: Number(file.get('SELECT max(rowid) AS n FROM movements')?.n ?? 0),
    }),
  }),
}
