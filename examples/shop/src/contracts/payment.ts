/** The cashier's tasks share one channel, so that those of one order keep their order, delayed ones too; keyed by the order. */
import { type CommandContract, channel, command, type EventContract, event } from 'sluice'
import { z } from 'zod'

const cashier = channel('shop.cashier', { key: (message: { orderId: string }) => message.orderId, partitions: 16 })
const payments = channel('shop.payment', { key: (message: { orderId: string }) => message.orderId, partitions: 16 })

const take = z.object({ orderId: z.string(), customer: z.string().nullable(), amountPence: z.int().nonnegative() })
/** Data of {@link TakePayment}. */
export type Take = z.infer<typeof take>
/** Take the money of an order. */
export const TakePayment: CommandContract<Take, Take, 'shop.cashier.take'> = command('shop.cashier.take', take, { channel: cashier })

const refund = z.object({ orderId: z.string(), returnId: z.string(), amountPence: z.int().nonnegative() })
/** Data of {@link RefundPayment}. */
export type Refund = z.infer<typeof refund>
/** Give the money of a return back. */
export const RefundPayment: CommandContract<Refund, Refund, 'shop.cashier.refund'> = command('shop.cashier.refund', refund, { channel: cashier })

const adjust = z.object({ orderId: z.string(), amountPence: z.int() })
/** Data of {@link AdjustLedger}. */
export type Adjust = z.infer<typeof adjust>
/** Book an adjustment (bad debt); signed. `orderId` is the adjustment's own invoice number. */
export const AdjustLedger: CommandContract<Adjust, Adjust, 'shop.cashier.adjust'> = command('shop.cashier.adjust', adjust, { channel: cashier })

const due = z.object({ orderId: z.string() })
/** Data of {@link TransferArrived} and {@link PaymentOverdue}. */
export type Due = z.infer<typeof due>
/** The promised bank transfer is here; delayed. */
export const TransferArrived: CommandContract<Due, Due, 'shop.cashier.transfer'> = command('shop.cashier.transfer', due, { channel: cashier })
/** Time is up for an unpaid order; delayed, and called off when the money comes first. */
export const PaymentOverdue: CommandContract<Due, Due, 'shop.cashier.overdue'> = command('shop.cashier.overdue', due, { channel: cashier })

/** Data of {@link PaymentTaken}, {@link PaymentDeclined} and {@link PaymentExpired}. */
export type Settled = z.infer<typeof due>
/** The money is there. */
export const PaymentTaken: EventContract<Settled, Settled, 'shop.payment.taken'> = event('shop.payment.taken', due, { channel: payments })
/** The bank said no. */
export const PaymentDeclined: EventContract<Settled, Settled, 'shop.payment.declined'> = event('shop.payment.declined', due, { channel: payments })
/** The transfer never came. */
export const PaymentExpired: EventContract<Settled, Settled, 'shop.payment.expired'> = event('shop.payment.expired', due, { channel: payments })

const refunded = z.object({ orderId: z.string(), returnId: z.string() })
/** Data of {@link PaymentRefunded}. */
export type PaidBack = z.infer<typeof refunded>
/** The money of a return went back. */
export const PaymentRefunded: EventContract<PaidBack, PaidBack, 'shop.payment.refunded'> = event('shop.payment.refunded', refunded, { channel: payments })
