/** Uses of the test kit that must not compile. Each `@ts-expect-error` stands above exactly one mistake. */
import { z } from 'zod'
import { event } from '../../../src/contract/index.ts'
import { createTestKit } from '../../../src/testing/index.ts'

const Placed = event('shop.order.placed', z.object({ orderId: z.string(), total: z.string().transform(Number) }))
const kit = await createTestKit()

// @ts-expect-error the kit has its own memory
await createTestKit({ url: 'file:/tmp/bus.db' })
// @ts-expect-error what was published is the input, where total is text
kit.assertPublished(Placed, { total: 42 })
// @ts-expect-error what was handled is the output, where total is a number
kit.assertHandled(Placed, { total: '42' })
// @ts-expect-error a field that the contract does not have
kit.assertHandled(Placed, { discount: 1 })
// @ts-expect-error a contract, not its name
kit.published('shop.order.placed')
