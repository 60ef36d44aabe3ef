import { event } from 'sluice'
import { z } from 'zod'

/** The benchmark's contract: validated on both sides, keyed by customer. */
export const OrderPlaced = event('shop.order.placed', z.object({ orderId: z.string(), customer: z.string(), total: z.number(), quantity: z.number().int() }), {
  key: (order) => order.customer,
})
