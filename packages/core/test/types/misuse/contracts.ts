/** Definitions that must not compile. Each `@ts-expect-error` stands above exactly one mistake. */
import { z } from 'zod'
import { type CommandContract, type Contract, channel, command, type EventContract, event, jsonSchema, request, typed } from '../../../src/contract/index.ts'

const order = z.object({ orderId: z.string(), total: z.string().transform(Number) })
const placed = event('shop.order.placed', order)
const ship = command('shop.ship', order)
const quote = request('shop.quote', order, { reply: typed<number>() })

// @ts-expect-error a key reads a field that the output does not have
event('a.b', order, { key: (o) => o.missing })
// @ts-expect-error a key is a string
event('a.b', order, { key: (o) => o.total })
// @ts-expect-error a key function, not a field name
event('a.b', order, { key: 'orderId' })
// @ts-expect-error the key reads the output, where total is a number
event('a.b', order, { key: (o) => o.total.trim() })
// @ts-expect-error an annotation may not claim more than the output has
event('a.b', order, { key: (o: { orderId: string; shop: string }) => o.shop })
// @ts-expect-error a request needs the schema of its reply
request('a.b', order)
// @ts-expect-error a request needs the schema of its reply
request('a.b', order, { key: (o) => o.orderId })
// @ts-expect-error a reply's schema, not its type by example
request('a.b', order, { reply: { cents: 1 } })
// @ts-expect-error only events name groups
command('a.b', order, { groups: ['audit'] })
// @ts-expect-error only events can be unrouted
command('a.b', order, { unrouted: 'error' })
// @ts-expect-error only requests have a reply
event('a.b', order, { reply: order })
// @ts-expect-error a misspelt option
event('a.b', order, { chanel: 'x' })
// @ts-expect-error not a schema
event('a.b', { orderId: 'string' })
// @ts-expect-error a schema, please
event('a.b')
// @ts-expect-error a name is a string
event(7, order)
// @ts-expect-error an unknown answer to unrouted events
event('a.b', order, { unrouted: 'drop' })
// @ts-expect-error versions are numbers
event('a.b', order, { version: '2' })
// @ts-expect-error upcasters are listed by number
event('a.b', order, { version: 2, upcast: { one: (d: unknown) => d } })

const orders = channel('shop.order', { key: (o: { orderId: string }) => o.orderId })
// @ts-expect-error the output lacks what the channel's key reads
event('shop.order.x', z.object({ id: z.string() }), { channel: orders })
// @ts-expect-error the output's field has another type than the channel's key reads
command('shop.order.y', z.object({ orderId: z.number() }), { channel: orders })
const dropped = z.object({ orderId: z.string() }).transform((o) => ({ id: o.orderId }))
// @ts-expect-error the input has the field, but the transform drops it from the output
event('shop.order.z', dropped, { channel: orders })
// @ts-expect-error an own key does not excuse an output that the channel's key cannot read
event('shop.order.w', z.object({ id: z.string() }), { channel: orders, key: (o) => o.id })
// @ts-expect-error the parameter of a channel's key must be annotated
channel('a', { key: (o) => o.orderId })
// @ts-expect-error retention is in ms and bytes
channel('a', { retention: { maxAge: 1 } })

// @ts-expect-error a command is not an event
const wrongKind: EventContract = ship
// @ts-expect-error a request is not a command
const wrongKindToo: CommandContract = quote
// @ts-expect-error an event of orders is not an event of numbers
const wrongData: EventContract<unknown, number> = placed
// @ts-expect-error a contract is not written by hand
const handMade: Contract = { kind: 'event', name: 'a.b', schema: order }
// @ts-expect-error contracts do not change
placed.version = 2
// @ts-expect-error the validator comes second
jsonSchema<number>(() => true)

void [wrongKind, wrongKindToo, wrongData, handMade]
