/** Calls of the bus that must not compile. Each `@ts-expect-error` stands above exactly one mistake. */
import { z } from 'zod'
import { command, event, request, typed } from '../../../src/contract/index.ts'
import type { Bus, Connect, HandlerContext } from '../../../src/index.ts'

declare const bus: Bus
declare const connect: Connect
declare const ctx: HandlerContext
declare const orderId: string
const order = z.object({ orderId: z.string(), total: z.string().transform(Number) })
const Placed = event('shop.order.placed', order)
const Paid = event('shop.order.paid', z.object({ cents: z.number() }))
const Ship = command('shop.ship', order)
const Quote = request('shop.quote', typed<{ sku: string }>(), { reply: z.object({ cents: z.string().transform(Number) }) })

// the kind chooses the verb
const data = { orderId, total: '1' }
// @ts-expect-error a command is sent
bus.publish(Ship, data)
// @ts-expect-error an event is published
bus.send(Placed, data)
// @ts-expect-error a request is requested
bus.send(Quote, { sku: 'a' })
// @ts-expect-error a request is requested
bus.publish(Quote, { sku: 'a' })
// @ts-expect-error a command has no answer
bus.request(Ship, data)
// @ts-expect-error an event is published in many, too
bus.sendMany(Placed, [{ data }])
// @ts-expect-error a command is sent in many, too
bus.publishMany(Ship, [{ data }])
// @ts-expect-error an event is listened to
bus.handle(Placed, () => undefined)
// @ts-expect-error a command is handled
bus.on(Ship, () => undefined)
// @ts-expect-error a command is handled, also among events
bus.on([Placed, Ship], () => undefined)
// @ts-expect-error only commands are scheduled
bus.schedule('a', '* * * * *', Placed, data)
// @ts-expect-error only events are replayed
bus.replay(Ship)
// @ts-expect-error the context is a sender with the same rules
ctx.publish(Ship, data)
// @ts-expect-error no contract at all
bus.publish('shop.order.placed', data)

// the data is the schema's input
// @ts-expect-error the output is not the input
bus.publish(Placed, { orderId, total: 1 })
// @ts-expect-error a field is missing
bus.publish(Placed, { orderId })
// @ts-expect-error a field too many
bus.publish(Placed, { orderId, total: '1', discount: 5 })
// @ts-expect-error no data
bus.publish(Placed)
// @ts-expect-error null is no data
bus.publish(Placed, null)
// @ts-expect-error wrong data of one entry
bus.publishMany(Placed, [{ data }, { data: { orderId } }])
// @ts-expect-error entries wrap their data
bus.publishMany(Placed, [data])
// @ts-expect-error one, not many
bus.publishMany(Placed, { data })
// @ts-expect-error wrong data of a command
bus.send(Ship, { orderId: 7, total: '1' })
// @ts-expect-error wrong question
bus.request(Quote, { sku: 7 })
// @ts-expect-error wrong data of a scheduled command
bus.schedule('a', '* * * * *', Ship, { orderId })

// options
// @ts-expect-error a misspelt option
bus.publish(Placed, data, { delay: 5 })
// @ts-expect-error headers are text
bus.publish(Placed, data, { headers: { a: 1 } })
// @ts-expect-error a transaction covers a call, not one entry of it
bus.publishMany(Placed, [{ data, tx: {} }])
// @ts-expect-error a request cannot be delayed
bus.request(Quote, { sku: 'a' }, { delayMs: 5 })
// @ts-expect-error a group of a command is its channel
bus.handle(Ship, () => undefined, { group: 'x' })
// @ts-expect-error a command goes to one
bus.handle(Ship, () => undefined, { broadcast: true })
// @ts-expect-error a misspelt order
bus.on(Placed, () => undefined, { order: 'keys' })
// @ts-expect-error requests are answered one by one
bus.handle(Quote, () => undefined, { batch: { size: 5 } })
// @ts-expect-error a batch has a size
bus.on(Placed, () => undefined, { batch: { waitMs: 5 } })
// @ts-expect-error a misspelt option of connect
connect({ servce: 'x' })

// handlers
// @ts-expect-error the handler claims fields that the output does not have
bus.on(Placed, (o: { orderId: string; discount: number }) => o.discount)
// @ts-expect-error the output's total is a number
bus.on(Placed, (o) => o.total.trim())
// @ts-expect-error without looking, nobody knows which event it is
bus.on([Placed, Paid], (o) => o.cents)
// @ts-expect-error a contract that is not among them is never it
bus.on([Placed, Paid], (_, c) => c.message.type === 'shop.order.sent')
// @ts-expect-error a handler, please
bus.on(Placed)
// @ts-expect-error entries hold their data
bus.on(Placed, (entries) => entries[0]?.orderId, { batch: { size: 5 } })
// @ts-expect-error without a batch there are no entries
bus.on(Placed, (entries) => entries.length)
// @ts-expect-error a request's handler answers
bus.handle(Quote, () => undefined)
// @ts-expect-error it answers with the reply's input, not its output
bus.handle(Quote, () => ({ cents: 42 }))
// @ts-expect-error also asynchronously
bus.handle(Quote, async () => ({ cents: 42 }))
// @ts-expect-error an answer without its field
bus.handle(Quote, () => ({}))
// @ts-expect-error the reply's output is a number
void bus.request(Quote, { sku: 'a' }).then((reply) => reply.cents.trim())
