/** What `event`, `command`, `request` and `channel` infer without a single annotation. */
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import {
  type Channel,
  type CommandContract,
  type Contract,
  type ContractInput,
  type ContractName,
  type ContractOutput,
  channel,
  command,
  type EventContract,
  event,
  jsonSchema,
  type MessageOf,
  type ReplyInput,
  type ReplyOutput,
  type RequestContract,
  request,
  typed,
} from '../../../src/contract/index.ts'
import { same } from '../equal.ts'

const zodOrder = z.object({ orderId: z.string(), total: z.string().transform(Number), currency: z.string().default('EUR') })
const valibotOrder = v.object({ orderId: v.string(), total: v.pipe(v.string(), v.transform(Number)), currency: v.optional(v.string(), 'EUR') })
const arktypeOrder = type({ orderId: 'string', total: 'string.numeric.parse', currency: "string = 'EUR'" })
type Output = { orderId: string; total: number; currency: string }

const zodEvent = event('shop.order.placed', zodOrder, { key: (o) => o.orderId })
const valibotEvent = event('shop.order.placed', valibotOrder, { key: (o) => o.orderId })
const arktypeEvent = event('shop.order.placed', arktypeOrder, { key: (o) => o.orderId })
const typedEvent = event('shop.order.placed', typed<Output>(), { key: (o) => o.orderId })
const jsonEvent = event(
  'shop.order.placed',
  jsonSchema<Output>({}, () => true),
  { key: (o) => o.orderId },
)

// inputs and outputs
same<ContractInput<typeof zodEvent>, { orderId: string; total: string; currency?: string | undefined }>()
same<ContractInput<typeof valibotEvent>, { orderId: string; total: string; currency?: string | undefined }>()
same<ContractInput<typeof arktypeEvent>, { orderId: string; total: string; currency?: string }>()
same<ContractInput<typeof typedEvent>, Output>()
same<ContractInput<typeof jsonEvent>, Output>()
same<ContractOutput<typeof zodEvent>, Output>()
same<ContractOutput<typeof valibotEvent>, Output>()
same<ContractOutput<typeof arktypeEvent>, Output>()
same<ContractOutput<typeof typedEvent>, Output>()
same<ContractOutput<typeof jsonEvent>, Output>()

// names are literals, so that they discriminate
same<ContractName<typeof zodEvent>, 'shop.order.placed'>()
same<MessageOf<typeof zodEvent>, { readonly type: 'shop.order.placed'; readonly data: Output }>()
same<typeof zodEvent.kind, 'event'>()

// the key reads the output; asynchronous schemas are inferred like the others
event('a.b', zodOrder, { key: (o) => o.total.toFixed(2) })
event('a.b', valibotOrder, { key: (o) => o.total.toFixed(2) })
event('a.b', arktypeOrder, { key: (o) => o.total.toFixed(2) })
const asyncEvent = event(
  'a.b',
  v.objectAsync({
    sku: v.pipeAsync(
      v.string(),
      v.checkAsync(async () => true),
    ),
  }),
  { key: (o) => o.sku },
)
same<ContractOutput<typeof asyncEvent>, { sku: string }>()

// commands and requests
const ship = command('shop.ship', zodOrder, { key: (o) => o.currency, tags: ['slow'] })
same<typeof ship, CommandContract<{ orderId: string; total: string; currency?: string | undefined }, Output, 'shop.ship'>>()
const quote = request('shop.quote', z.object({ sku: z.string() }), { key: (o) => o.sku, reply: z.object({ cents: z.string().transform(Number) }) })
same<ContractInput<typeof quote>, { sku: string }>()
same<ReplyInput<typeof quote>, { cents: string }>()
same<ReplyOutput<typeof quote>, { cents: number }>()
same<ReplyOutput<typeof ship>, never>()

// every contract fits its kind, and Contract, without any
const events: readonly EventContract[] = [zodEvent, valibotEvent, arktypeEvent, typedEvent, jsonEvent, asyncEvent]
const commands: readonly CommandContract[] = [ship]
const requests: readonly RequestContract[] = [quote]
const all: readonly Contract[] = [...events, ...commands, ...requests]
all.map((c) => c.name satisfies string)
const annotated: EventContract<{ orderId: string; total: string; currency?: string | undefined }, Output> = zodEvent
same<ContractOutput<typeof annotated>, Output>()
const plain: EventContract<Output> = typedEvent
same<ContractInput<typeof plain>, Output>()

// generic helpers distribute over unions
type Either = typeof zodEvent | typeof asyncEvent
same<ContractOutput<Either>, Output | { sku: string }>()
same<MessageOf<Either>['type'], 'shop.order.placed' | 'a.b'>()

// shared channels: the key's annotated parameter is satisfied by each contract's output
const orders = channel('shop.order', { key: (o: { orderId: string }) => o.orderId, partitions: 8 })
same<typeof orders, Channel<{ orderId: string }>>()
event('shop.order.paid', z.object({ orderId: z.string(), cents: z.number() }), { channel: orders })
event('shop.order.sent', v.object({ orderId: v.string(), parcel: v.string() }), { channel: orders })
event('shop.order.lost', type({ orderId: 'string' }), { channel: orders })
event('shop.order.typed', typed<{ orderId: string }>(), { channel: orders, key: (o) => o.orderId })
const numbered = channel('shop.stock', { key: (o: { row: number }) => String(o.row) })
event('shop.stock.counted', z.object({ row: z.string().transform(Number) }), { channel: numbered }) // by its output
const keyless = channel('shop.news', { retention: { maxAgeMs: 1000 } })
event('shop.news.posted', zodOrder, { channel: keyless })
const erased: readonly Channel[] = [orders, numbered, keyless]
erased.map((c) => c.partitions satisfies number | undefined)

// upcasters: annotated with the older type, or unknown
command('a.c', typed<{ c: number }>(), {
  version: 3,
  upcast: {
    1: (old: { a: number }) => ({ b: old.a }),
    2: (old) => {
      same<typeof old, unknown>()
      return { c: 1 }
    },
  },
})

// a key may be missing, for some or for all messages
event('a.d', typed<{ id?: string }>(), { key: (o) => o.id })
event('a.e', typed<number>(), {})
event('a.f', typed<string>(), { groups: ['audit'], unrouted: 'error' })
