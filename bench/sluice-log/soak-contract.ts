import { channel, event } from 'sluice'
import { z } from 'zod'

/** Kept of the log: reached within the first half minute, so that trimming goes on through the whole soak. */
export const retentionBytes: number = 32 * 1024 * 1024

const soak = channel('shop.soak', { retention: { maxBytes: retentionBytes } })

/** The benchmark's order on a channel that keeps little. */
export const SoakOrderPlaced = event(
  'shop.soak.placed',
  z.object({ orderId: z.string(), customer: z.string(), total: z.number(), quantity: z.number().int() }),
  {
    channel: soak,
    key: (order) => order.customer,
  },
)
