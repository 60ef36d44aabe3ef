/**
 * A budget of type instantiations for each public call: what an editor does at every keystroke. Slow inference is a
 * failing test. Counted by TypeScript 6 (deterministic), as the difference between a file with the call and the same
 * file without it; budgets are about 1.5 times what was measured when they were set.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createCheck } from './checker.ts'

const imports = `
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import { channel, command, event, jsonSchema, request, typed, type EventContract, type ContractOutput } from '../../src/contract/index.ts'
import type { Bus, Connect } from '../../src/index.ts'
declare const bus: Bus
declare const connect: Connect
void [type, v, z, channel, command, event, jsonSchema, request, typed, bus, connect]
export type Used = [EventContract, ContractOutput<EventContract>]
`

/** An order with a nested list, in each library. The types of each schema are already known where a call is measured. */
const schemas = `
const zodOrder = z.object({ orderId: z.string(), total: z.string().transform(Number), lines: z.array(z.object({ sku: z.string(), quantity: z.number().default(1) })) })
const valibotOrder = v.object({ orderId: v.string(), total: v.pipe(v.string(), v.transform(Number)), lines: v.array(v.object({ sku: v.string(), quantity: v.optional(v.number(), 1) })) })
const arktypeOrder = type({ orderId: 'string', total: 'string.numeric.parse', lines: type({ sku: 'string', quantity: 'number = 1' }).array() })
interface Order { orderId: string; total: number; lines: { sku: string; quantity: number }[] }
declare const known: [z.input<typeof zodOrder>, z.output<typeof zodOrder>, v.InferInput<typeof valibotOrder>, v.InferOutput<typeof valibotOrder>, typeof arktypeOrder.inferIn, typeof arktypeOrder.infer]
known[0].lines[0]?.sku, known[1].lines[0]?.sku, known[2].lines[0]?.sku, known[3].lines[0]?.sku, known[4].lines[0]?.sku, known[5].lines[0]?.sku
const orders = channel('shop.order', { key: (o: { orderId: string }) => o.orderId })
void [zodOrder, valibotOrder, arktypeOrder, orders]
export type Order0 = Order
`

const contracts = `
const Placed = event('shop.order.placed', typed<{ orderId: string; total: number }>())
const Paid = event('shop.order.paid', typed<{ orderId: string; cents: number }>())
const Ship = command('shop.ship', typed<{ orderId: string; express: boolean }>())
const Quote = request('shop.quote', typed<{ sku: string }>(), { reply: typed<{ cents: number }>() })
${Array.from({ length: 10 }, (_, i) => `const E${i} = event('shop.e.n${i}', typed<{ id: string; f${i}: number }>())`).join('\n')}
void [Placed.name, Paid.name, Ship.name, Quote.name, ${Array.from({ length: 10 }, (_, i) => `E${i}.name`).join(', ')}]
`

const many = `[${Array.from({ length: 10 }, (_, i) => `E${i}`).join(', ')}]`
const cases = Array.from({ length: 10 }, (_, i) => `case 'shop.e.n${i}': c.message.data.f${i}.toFixed(); break`).join('; ')

/** What is measured: a name, what stands before it, the call, the budget. */
const budgets: readonly (readonly [string, string, string, number])[] = [
  ['event, zod', schemas, "event('a.b', zodOrder, { key: o => o.orderId })", 200],
  ['event, valibot', schemas, "event('a.b', valibotOrder, { key: o => o.orderId })", 100],
  ['event, arktype', schemas, "event('a.b', arktypeOrder, { key: o => o.orderId })", 110],
  ['event, typed', schemas, "event('a.b', typed<Order>(), { key: o => o.orderId })", 40],
  ['event, jsonSchema', schemas, "event('a.b', jsonSchema<Order>({}, () => true), { key: o => o.orderId })", 70],
  ['event in a shared channel', schemas, "event('a.b', typed<Order>(), { channel: orders })", 30],
  ['event with upcasters', schemas, "event('a.b', typed<Order>(), { version: 3, upcast: { 1: (o: { id: string }) => o, 2: o => o } })", 50],
  ['command', schemas, "command('a.b', typed<Order>(), { key: o => o.orderId })", 30],
  ['request', schemas, "request('a.b', typed<Order>(), { key: o => o.orderId, reply: typed<{ cents: number }>() })", 50],
  ['channel', schemas, "channel('a', { key: (o: Order) => o.orderId, partitions: 8, retention: { maxAgeMs: 1 } })", 20],
  ['a contract as an erased one', contracts, 'const e: readonly EventContract[] = [Placed, Paid]; void e', 20],
  ['connect', '', "void connect({ service: 'a' })", 20],
  ['publish', contracts, "void bus.publish(Placed, { orderId: 'a', total: 1 }, { key: 'k', headers: { a: 'b' } })", 40],
  ['publishMany', contracts, "void bus.publishMany(Placed, [{ data: { orderId: 'a', total: 1 } }])", 120],
  ['send', contracts, "void bus.send(Ship, { orderId: 'a', express: true })", 20],
  ['sendMany', contracts, "void bus.sendMany(Ship, [{ data: { orderId: 'a', express: true } }])", 120],
  ['request and its reply', contracts, "void bus.request(Quote, { sku: 'a' }).then(r => r.cents.toFixed())", 90],
  ['on one event', contracts, 'bus.on(Placed, async (o, c) => { o.total.toFixed(); c.message.data.total.toFixed() })', 750],
  [
    'on two events, discriminated',
    contracts,
    "bus.on([Placed, Paid], (o, c) => { o.orderId.trim(); if (c.message.type === 'shop.order.paid') c.message.data.cents.toFixed() })",
    950,
  ],
  ['on two events, ctx.is', contracts, 'bus.on([Placed, Paid], (o, c) => { if (c.is(Paid, o)) o.cents.toFixed() })', 900],
  ['on ten events, discriminated', contracts, `bus.on(${many}, (o, c) => { o.id.trim(); switch (c.message.type) { ${cases} } })`, 1800],
  ['on in batches', contracts, 'bus.on(Placed, entries => { for (const e of entries) e.data.total.toFixed() }, { batch: { size: 5 } })', 700],
  ['publish in a handler', contracts, 'bus.on(Placed, (o, c) => c.publish(Paid, { orderId: o.orderId, cents: 1 }))', 700],
  ['handle a command', contracts, 'bus.handle(Ship, t => { t.express.valueOf() })', 250],
  ['handle a command in batches', contracts, 'bus.handle(Ship, entries => { for (const e of entries) e.data.express.valueOf() }, { batch: { size: 5 } })', 650],
  ['handle a request', contracts, 'bus.handle(Quote, async q => ({ cents: q.sku.length }))', 300],
  ['schedule', contracts, "void bus.schedule('n', '* * * * *', Ship, { orderId: 'a', express: true })", 150],
  ['cancel', contracts, "void bus.cancel(Placed, 'id')", 20],
  ['deadLetters', contracts, 'void bus.deadLetters(Placed).list().then(l => bus.deadLetters(Placed).redrive(l))', 600],
  ['replay', contracts, 'void bus.replay(Placed, { from: new Date() })', 20],
  ['pause', contracts, 'void bus.pause(Ship)', 20],
  ['inspect', '', 'void bus.inspect().then(rows => rows[0]?.backlog.toFixed())', 60],
  ['use', '', 'bus.use({ handle: (run, next) => (run.entries.length > 0 ? next() : undefined) })', 20],
]

const check = createCheck()
const before = new Map<string, number>()

function cost(setting: string, call: string): number {
  const without = before.get(setting) ?? measure(setting, '')
  before.set(setting, without)
  return measure(setting, call) - without
}

function measure(setting: string, call: string): number {
  const { errors, instantiations } = check(`${imports}${setting}${call}\n`)
  assert.deepEqual(errors, [])
  return instantiations
}

for (const [name, setting, call, budget] of budgets) {
  test(`${name}: at most ${budget} instantiations`, (t) => {
    const counted = cost(setting, call)
    t.diagnostic(`${counted} instantiations`)
    assert.ok(counted <= budget, `${name} costs ${counted} type instantiations, its budget is ${budget}`)
  })
}

test('the measurement sees an expensive type', () => {
  const deep = 'type Deep<T, N extends 0[] = []> = N["length"] extends 200 ? T : Deep<{ a: T; n: N }, [...N, 0]>; declare const deep: Deep<1>; void deep'
  assert.ok(cost('', deep) > 500)
})
