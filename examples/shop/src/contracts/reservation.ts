/** What inventory answers about an order's goods; keyed by the order. */
import { channel, type EventContract, event } from 'sluice'
import { z } from 'zod'

const reservations = channel('shop.reservation', { key: (message: { orderId: string }) => message.orderId, partitions: 16 })

const made = z.object({ orderId: z.string(), backorderedLines: z.int().nonnegative() })
/** Data of {@link ReservationMade}. */
export type Made = z.infer<typeof made>
/** The goods are set aside; `backorderedLines` of them wait for the supplier. */
export const ReservationMade: EventContract<Made, Made, 'shop.reservation.made'> = event('shop.reservation.made', made, { channel: reservations })

const filled = z.object({ orderId: z.string() })
/** Data of {@link ReservationFilled}. */
export type Filled = z.infer<typeof filled>
/** The supplier came: nothing of this order is missing any more. */
export const ReservationFilled: EventContract<Filled, Filled, 'shop.reservation.filled'> = event('shop.reservation.filled', filled, { channel: reservations })
