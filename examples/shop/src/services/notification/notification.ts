/** The notification service: one message to the customer for each end of an order. Anonymous customers are nobody to tell; that, too, is written down. */
import type { BusinessFile, Effects } from '../../books/business-file.ts'
import { OrderCancelled, OrderCompleted, OrderRefunded } from '../../contracts/index.ts'
import { onEventAfter } from '../reaction.ts'
import type { ServiceDefinition } from '../service.ts'

/** See the head of this file. */
export const notificationService: ServiceDefinition = {
  schema: 'CREATE TABLE IF NOT EXISTS notices (cause TEXT NOT NULL, customer TEXT, kind TEXT NOT NULL)',
  create: (file, { sms }) => {
    const tell = async (cause: string, customer: string | null, kind: string): Promise<void> => {
      if (customer !== null) await sms.perform(cause, kind, 1)
    }
    return {
      name: 'notification',
      reactions: [
        onEventAfter(
          OrderCompleted,
          ({ orderId, customer }) => tell(`${orderId}/completed`, customer, 'completed'),
          (order, effects) => write(file, order, `${order.orderId}/completed`, 'completed', effects),
        ),
        onEventAfter(
          OrderCancelled,
          ({ orderId, customer }) => tell(`${orderId}/cancelled`, customer, 'cancelled'),
          (order, effects) => write(file, order, `${order.orderId}/cancelled`, 'cancelled', effects),
        ),
        onEventAfter(
          OrderRefunded,
          ({ returnId, customer }) => tell(`${returnId}/refunded`, customer, 'refunded'),
          (order, effects) => write(file, order, `${order.returnId}/refunded`, 'refunded', effects),
        ),
      ],
      figures: () => ({ notices: Number(file.get('SELECT max(rowid) AS n FROM notices')?.n ?? 0) }),
    }
  },
}

function write(file: BusinessFile, order: { orderId: string; step: number; customer: string | null }, cause: string, kind: string, effects: Effects): void {
  effects.sawStep('shop.order', order.orderId, order.step)
  file.run('INSERT INTO notices (cause, customer, kind) VALUES (?, ?, ?)', cause, order.customer, kind)
}
