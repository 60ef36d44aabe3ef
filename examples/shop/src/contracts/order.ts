/**
 * What the order service says about an order. All of it travels on one channel and is keyed by the order, so that each
 * group hears placed → cancelled | completed → returned → refunded of one order in that order. A return of a known sale
 * carries the sale's id as its key and stays behind everything the sale said.
 */
import { channel, type EventContract, event } from 'sluice'
import { z } from 'zod'

const line = z.object({ sku: z.string(), units: z.int().positive() })

/** Fields of every message about an order. `step` counts the order's messages from 1: who sees it fall saw disorder. */
const about = { orderId: z.string(), step: z.int().positive() }
const toWhom = { customer: z.string().nullable() }

const orders = channel('shop.order', { key: (message: { orderId: string }) => message.orderId, partitions: 16 })

const placed = z.object({ ...about, ...toWhom, lines: z.array(line), unitPence: z.int() })
/** Data of {@link OrderPlaced}. */
export type Placed = z.infer<typeof placed>
/** Someone bought: reserve the goods. */
export const OrderPlaced: EventContract<Placed, Placed, 'shop.order.placed'> = event('shop.order.placed', placed, { channel: orders })

const cancelled = z.object({ ...about, ...toWhom, reason: z.enum(['declined', 'unpaid']) })
/** Data of {@link OrderCancelled}. */
export type Cancelled = z.infer<typeof cancelled>
/** No money came: release the goods, tell the customer. */
export const OrderCancelled: EventContract<Cancelled, Cancelled, 'shop.order.cancelled'> = event('shop.order.cancelled', cancelled, { channel: orders })

const completed = z.object({ ...about, ...toWhom, amountPence: z.int().nonnegative(), parcels: z.int().nonnegative() })
/** Data of {@link OrderCompleted}. */
export type Completed = z.infer<typeof completed>
/** Paid, and everything that can be sent is on its way. */
export const OrderCompleted: EventContract<Completed, Completed, 'shop.order.completed'> = event('shop.order.completed', completed, { channel: orders })

const returned = z.object({ ...about, returnId: z.string(), lines: z.array(line) })
/** Data of {@link OrderReturned}. */
export type Returned = z.infer<typeof returned>
/** Goods come back: put them on the shelf. `orderId` is the sale where it is known, else the return itself. */
export const OrderReturned: EventContract<Returned, Returned, 'shop.order.returned'> = event('shop.order.returned', returned, { channel: orders })

const refunded = z.object({ ...about, ...toWhom, returnId: z.string(), ofKnownSale: z.boolean(), amountPence: z.int().nonnegative() })
/** Data of {@link OrderRefunded}. */
export type Refunded = z.infer<typeof refunded>
/** The money of a return went back: take the points back, tell the customer. */
export const OrderRefunded: EventContract<Refunded, Refunded, 'shop.order.refunded'> = event('shop.order.refunded', refunded, { channel: orders })
