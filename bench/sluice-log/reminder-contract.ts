import { event } from 'sluice'
import { z } from 'zod'

/** A message for later: knows when it is due. */
export const ReminderDue = event('shop.reminder.due', z.object({ customer: z.string(), dueMs: z.number(), total: z.number(), quantity: z.number().int() }), {
  key: (reminder) => reminder.customer,
})
