/** The courier: one task, one fact; keyed by the order. */
import { type CommandContract, command, type EventContract, event } from 'sluice'
import { z } from 'zod'

const book = z.object({ orderId: z.string(), country: z.string(), units: z.int().positive() })
/** Data of {@link BookShipment}. */
export type Book = z.infer<typeof book>
/** Send an order's goods. */
export const BookShipment: CommandContract<Book, Book, 'shop.dispatch.book'> = command('shop.dispatch.book', book, { key: (message) => message.orderId })

const dispatched = z.object({ orderId: z.string(), parcels: z.int().positive() })
/** Data of {@link ShipmentDispatched}. */
export type Dispatched = z.infer<typeof dispatched>
/** The courier has the parcels. */
export const ShipmentDispatched: EventContract<Dispatched, Dispatched, 'shop.shipment.dispatched'> = event('shop.shipment.dispatched', dispatched, {
  key: (message) => message.orderId,
})
