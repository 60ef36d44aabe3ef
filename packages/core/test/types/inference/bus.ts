/** What the verbs of the bus infer without a single annotation, with contracts of each schema library. */
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import { command, event, request, typed } from '../../../src/contract/index.ts'
import type { Bus, Connect, DeadLetterItem, GroupRow, HandlerHandle, PublishReceipt, ScheduleHandle, StopReport } from '../../../src/index.ts'
import { same } from '../equal.ts'

declare const connect: Connect
const bus = await connect({ service: 'inventory', url: 'memory:', retry: { attempts: 3 }, logger: false })
same<typeof bus, Bus>()

const Placed = event('shop.order.placed', z.object({ orderId: z.string(), total: z.string().transform(Number) }), { key: (o) => o.orderId })
const Paid = event('shop.order.paid', v.object({ orderId: v.string(), cents: v.number(), currency: v.optional(v.string(), 'EUR') }))
const Sent = event('shop.order.sent', type({ orderId: 'string', parcels: 'number', 'carrier?': 'string' }))
const Ship = command('shop.ship', z.object({ orderId: z.string(), express: z.boolean().default(false) }), { key: (o) => o.orderId })
const Pack = command('shop.pack', type({ orderId: 'string', weight: 'string.numeric.parse' }))
const Quote = request('shop.quote', v.object({ sku: v.string() }), { reply: z.object({ cents: z.string().transform(Number) }) })
const Count = request('shop.count', typed<{ sku: string }>(), { reply: typed<number>() })

// ---------------------------------------------------------------- sending: the input goes in

same<Awaited<ReturnType<typeof bus.publish>>, PublishReceipt>()
await bus.publish(Placed, { orderId: 'A1', total: '42' })
await bus.publish(
  Paid,
  { orderId: 'A1', cents: 4200 },
  { id: 'x', key: 'k', headers: { a: 'b' }, delayMs: 5, expiresInMs: 9, tags: ['t'], priority: 1, deduplicate: { key: 'k', windowMs: 1 } },
)
await bus.publish(Paid, { orderId: 'A1', cents: 4200, currency: 'USD' }, { at: new Date(), timeoutMs: 5, signal: AbortSignal.timeout(1) })
await bus.publish(Sent, { orderId: 'A1', parcels: 2 })
const receipts = await bus.publishMany(Placed, [{ data: { orderId: 'A1', total: '42' }, id: 'i', key: 'k' }, { data: { orderId: 'A2', total: '43' } }])
same<typeof receipts, readonly PublishReceipt[]>()
await bus.send(Ship, { orderId: 'A1' })
await bus.send(Pack, { orderId: 'A1', weight: '7' })
await bus.sendMany(Ship, [{ data: { orderId: 'A1', express: true } }])
const price = await bus.request(Quote, { sku: 'a' }, { timeoutMs: 100, signal: AbortSignal.timeout(5) })
same<typeof price, { cents: number }>()
const count = await bus.request(Count, { sku: 'a' })
same<typeof count, number>()

// ---------------------------------------------------------------- handling: the output comes out

const handle = bus.on(Placed, async (order, ctx) => {
  same<typeof order, { orderId: string; total: number }>()
  same<typeof ctx.message.type, 'shop.order.placed'>()
  same<typeof ctx.message.data, { orderId: string; total: number }>()
  same<typeof ctx.key, string | undefined>()
  same<typeof ctx.attempt, number>()
  same<typeof ctx.signal, AbortSignal>()
  same<typeof ctx.message.headers, Readonly<Record<string, string>>>()
  await ctx.publish(Paid, { orderId: order.orderId, cents: order.total * 100 })
  await ctx.send(Ship, { orderId: order.orderId })
  const reply = await ctx.request(Quote, { sku: 'a' })
  same<typeof reply, { cents: number }>()
  ctx.log.info('reserved', { order: order.orderId })
})
same<typeof handle, HandlerHandle>()
bus.on(Paid, (paid) => same<typeof paid, { orderId: string; cents: number; currency: string }>(), { group: 'points', concurrency: 4 })
bus.on(Sent, ({ parcels, carrier }) => {
  same<typeof parcels, number>()
  same<typeof carrier, string | undefined>()
})

// several events in one handler: a union that `ctx.message.type` and `ctx.is` take apart
bus.on([Placed, Paid, Sent], (data, ctx) => {
  same<typeof ctx.message.type, 'shop.order.placed' | 'shop.order.paid' | 'shop.order.sent'>()
  same<typeof data.orderId, string>()
  switch (ctx.message.type) {
    case 'shop.order.placed':
      same<typeof ctx.message.data, { orderId: string; total: number }>()
      break
    case 'shop.order.paid':
      same<typeof ctx.message.data.currency, string>()
      break
    default:
      same<typeof ctx.message.type, 'shop.order.sent'>()
      same<typeof ctx.message.data.parcels, number>()
  }
  const { message } = ctx
  if (message.type === 'shop.order.placed') same<typeof message.data.total, number>()
  if (ctx.is(Paid, data)) same<typeof data, { orderId: string; cents: number; currency: string }>()
  else if (ctx.is(Placed, data)) same<typeof data, { orderId: string; total: number }>()
  else same<typeof data.parcels, number>()
})
const both = [Placed, Paid] as const
bus.on(both, (data) => same<typeof data, { orderId: string; total: number } | { orderId: string; cents: number; currency: string }>())
bus.on([Placed], (data) => same<typeof data, { orderId: string; total: number }>())

// batches
bus.on(
  Placed,
  (entries, ctx) => {
    same<typeof ctx.size, number>()
    for (const entry of entries) {
      same<typeof entry.data, { orderId: string; total: number }>()
      same<typeof entry.message.type, 'shop.order.placed'>()
      if (entry.data.total < 0) entry.fail(new Error('negative'))
    }
  },
  { batch: { size: 100, waitMs: 5, perLane: 'many' } },
)
bus.on(
  [Placed, Paid],
  (entries) => {
    for (const { message } of entries) if (message.type === 'shop.order.paid') same<typeof message.data.currency, string>()
  },
  { batch: { size: 10 } },
)
bus.handle(
  Ship,
  async (entries) => {
    for (const entry of entries) same<typeof entry.data, { orderId: string; express: boolean }>()
  },
  { batch: { size: 10 } },
)

// commands and requests
bus.handle(Ship, (task, ctx) => {
  same<typeof task, { orderId: string; express: boolean }>()
  same<typeof ctx.message.type, 'shop.ship'>()
})
bus.handle(Pack, async (task) => same<typeof task.weight, number>())
bus.handle(Quote, async (question, ctx) => {
  same<typeof question, { sku: string }>()
  same<typeof ctx.message.data, { sku: string }>()
  return { cents: '42' }
})
bus.handle(Quote, () => ({ cents: '42' }))
bus.handle(Count, () => 7, { timeoutMs: 100, retry: { attempts: 1, when: (error) => error instanceof TypeError } })

// a handler apart from its registration
const reserve = (order: { orderId: string }): void => void order.orderId
bus.on(Placed, reserve)
bus.on([Placed, Paid], reserve)

// ---------------------------------------------------------------- the rest of the surface

same<typeof bus.cancel, (contract: Parameters<typeof bus.cancel>[0], id: string) => Promise<boolean>>()
same<Awaited<ReturnType<typeof bus.start>>, void>()
same<Awaited<ReturnType<typeof bus.stop>>, StopReport>()
const schedule = await bus.schedule('nightly', '30 2 * * *', Ship, { orderId: 'A1' }, { timeZone: 'Europe/Berlin' })
same<typeof schedule, ScheduleHandle>()
bus
  .use({
    send(draft, next) {
      same<typeof draft.headers, Record<string, string>>()
      next()
    },
    handle(run, next) {
      same<typeof run.entries.length, number>()
      return next()
    },
  })
  .use({})
const dead = bus.deadLetters(Placed, { group: 'points' })
const items = await dead.list({ limit: 5 })
same<typeof items, readonly DeadLetterItem[]>()
await dead.redrive(items)
await dead.redrive('all')
await dead.discard({ fingerprint: 'x', limit: 5 })
await bus.replay(Placed, { group: 'points', from: new Date(0), to: 7 })
const rows = await bus.inspect()
same<typeof rows, readonly GroupRow[]>()
await bus.groups.remove((await bus.groups.list())[0]?.group ?? '')
await bus.pause(Placed)
await bus.resume(Ship, { group: 'shop.ship' })
const printed: string = `${bus.explain()}`
void printed
await using scoped = await connect()
void scoped
