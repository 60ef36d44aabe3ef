/**
 * The points service: points for what was bought, back for what was returned, but never more than that sale earned.
 * It relies on the order of messages: a refund is never seen before the completion that earned the points.
 */
import { OrderCompleted, OrderRefunded } from '../../contracts/index.ts'
import { pointsFor } from '../../rules/terms.ts'
import { onEvent } from '../reaction.ts'
import type { ServiceDefinition } from '../service.ts'

/** See the head of this file. */
export const pointsService: ServiceDefinition = {
  schema: `
    CREATE TABLE IF NOT EXISTS entries (cause TEXT NOT NULL, order_id TEXT NOT NULL, customer TEXT NOT NULL, points INTEGER NOT NULL);
    CREATE INDEX IF NOT EXISTS entries_by_order ON entries (order_id);
  `,
  create: (file) => {
    const enter = (cause: string, orderId: string, customer: string, points: number): void =>
      file.run('INSERT INTO entries (cause, order_id, customer, points) VALUES (?, ?, ?, ?)', cause, orderId, customer, points)
    return {
      name: 'points',
      reactions: [
        onEvent(OrderCompleted, ({ orderId, step, customer, amountPence }, effects) => {
          effects.sawStep('shop.order', orderId, step)
          if (customer !== null) enter(`${orderId}/completed`, orderId, customer, pointsFor(amountPence))
        }),
        onEvent(OrderRefunded, ({ orderId, step, returnId, customer, ofKnownSale, amountPence }, effects) => {
          effects.sawStep('shop.order', orderId, step)
          if (customer === null || !ofKnownSale) return
          const left = Number(file.get('SELECT coalesce(sum(points), 0) AS n FROM entries WHERE order_id = ?', orderId)?.n)
          enter(`${returnId}/refunded`, orderId, customer, -Math.min(left, pointsFor(amountPence)))
        }),
      ],
      figures: () => ({ entries: Number(file.get('SELECT max(rowid) AS n FROM entries')?.n ?? 0) }),
    }
  },
}
