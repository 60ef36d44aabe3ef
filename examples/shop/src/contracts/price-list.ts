/** The price list: broadcast, because every instance of every service keeps its own copy. */
import { type EventContract, event } from 'sluice'
import { z } from 'zod'

const changed = z.object({ version: z.int().positive(), surchargePercent: z.int().min(-90).max(900) })
/** Data of {@link PriceListChanged}. */
export type PriceList = z.infer<typeof changed>
/** From now on quotations carry this surcharge. */
export const PriceListChanged: EventContract<PriceList, PriceList, 'shop.price-list.changed'> = event('shop.price-list.changed', changed, {
  key: () => 'price-list',
})
