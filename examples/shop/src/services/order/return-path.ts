/**
 * Returns. A return of a known sale waits until that sale is completed (then goods, money and points go back) or
 * cancelled (then there is nothing to give back: it is void). A return of no known sale goes at once, under its own id.
 */
import type { BusinessFile, Effects } from '../../books/business-file.ts'
import { OrderRefunded, OrderReturned, RefundPayment } from '../../contracts/index.ts'
import type { Line } from '../../rules/invoice.ts'

/** Next value of an order's message counter. */
export function nextStep(file: BusinessFile, orderId: string): number {
  file.run('UPDATE orders SET step = step + 1 WHERE id = ?', orderId)
  return Number(file.get('SELECT step FROM orders WHERE id = ?', orderId)?.step)
}

/** Starts a return that was just written down as waiting, if its sale allows. */
export function beginReturn(file: BusinessFile, returnId: string, effects: Effects): void {
  const row = file.get('SELECT amount_pence, lines, sale FROM orders WHERE id = ?', returnId)
  if (row === undefined) throw new Error(`return ${returnId} is unknown`)
  const saleId = row.sale === null || row.sale === undefined ? undefined : String(row.sale)
  const saleState = saleId === undefined ? 'completed' : String(file.get('SELECT state FROM orders WHERE id = ?', saleId)?.state)
  if (saleState === 'cancelled') file.run("UPDATE orders SET state = 'void' WHERE id = ?", returnId)
  if (saleState !== 'completed') return
  file.run("UPDATE orders SET state = 'refunding' WHERE id = ?", returnId)
  const orderId = saleId ?? returnId
  const lines = JSON.parse(String(row.lines)) as Line[]
  if (lines.length > 0) effects.emit(OrderReturned, { orderId, step: nextStep(file, orderId), returnId, lines }, `${returnId}/returned`)
  effects.emit(RefundPayment, { orderId, returnId, amountPence: Number(row.amount_pence) }, `${returnId}/refund`)
}

/** The sale's fate is known: its waiting returns go on. */
export function releaseReturns(file: BusinessFile, saleId: string, effects: Effects): void {
  for (const row of file.all("SELECT id FROM orders WHERE sale = ? AND state = 'waiting' ORDER BY seq", saleId)) beginReturn(file, String(row.id), effects)
}

/** The bank gave the money back. */
export function finishReturn(file: BusinessFile, returnId: string, effects: Effects): void {
  const row = file.get('SELECT customer, amount_pence, sale, state FROM orders WHERE id = ?', returnId)
  if (row?.state !== 'refunding') return
  file.run("UPDATE orders SET state = 'refunded' WHERE id = ?", returnId)
  const orderId = row.sale === null || row.sale === undefined ? returnId : String(row.sale)
  const customer = row.customer === null || row.customer === undefined ? null : String(row.customer)
  effects.emit(
    OrderRefunded,
    { orderId, step: nextStep(file, orderId), returnId, customer, ofKnownSale: orderId !== returnId, amountPence: Number(row.amount_pence) },
    `${returnId}/refunded`,
  )
}
