/** What the test kit infers: messages as they were sent, and as they were handled. */
import { z } from 'zod'
import { event, request, typed } from '../../../src/contract/index.ts'
import { createTestKit, type HandledMessage, type PublishedMessage } from '../../../src/testing/index.ts'
import { same } from '../equal.ts'

const Placed = event('shop.order.placed', z.object({ orderId: z.string(), total: z.string().transform(Number) }))
const Quote = request('shop.quote', typed<{ sku: string }>(), { reply: typed<number>() })

await using kit = await createTestKit()
kit.bus.on(Placed, (order) => same<typeof order.total, number>())
await kit.bus.start()
const other = await kit.connect({ service: 'points' })
same<typeof other, typeof kit.bus>()

const sent = kit.published(Placed)
same<typeof sent, readonly PublishedMessage<{ orderId: string; total: string }>[]>()
same<(typeof sent)[number]['data'], { orderId: string; total: string }>()
const handled = kit.handled(Placed)
same<typeof handled, readonly HandledMessage<{ orderId: string; total: number }>[]>()
same<ReturnType<typeof kit.published>, readonly PublishedMessage<unknown>[]>()
same<ReturnType<typeof kit.handled<typeof Quote>>, readonly HandledMessage<{ sku: string }>[]>()
kit.assertPublished(Placed, { total: '42' }).data.orderId satisfies string
kit.assertHandled(Placed, { total: 42 }).data.total satisfies number
await kit.advance(1_000)
await kit.drained({ timeoutMs: 5 })
