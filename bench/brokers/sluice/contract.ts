import { type Channel, event } from 'sluice'
import { z } from 'zod'

const schema = z.object({ orderId: z.string(), customer: z.string(), total: z.number(), quantity: z.number().int() })

/** The benchmark's order, validated on both sides and keyed by customer, on a channel of the run's own. */
export const orderPlaced = (channel: string | Channel<{ readonly customer: string }>) =>
  event('shop.order.placed', schema, { channel, key: (order) => order.customer })

/** Something else, published first: connections and code are warm, the order's channel is as it was. */
export const warmUp = (channel: string) => event('shop.warm.up', schema, { channel: `${channel}.warm` })
