import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type } from 'arktype'
import * as v from 'valibot'
import { z } from 'zod'
import { isSluiceError } from '../errors/index.ts'
import { channel, command, event, isContract, request, typed } from './index.ts'

const code =
  (wanted: string) =>
  (error: unknown): boolean =>
    isSluiceError(error) && error.code === wanted

test('an event travels on its name up to the last dot, a command and a request on their full name', () => {
  assert.equal(event('shop.order.placed', typed<object>()).channel, 'shop.order')
  assert.equal(event('heartbeat', typed<object>()).channel, 'heartbeat')
  assert.equal(command('shop.order.ship', typed<object>()).channel, 'shop.order.ship')
  assert.equal(request('shop.price.quote', typed<object>(), { reply: typed<number>() }).channel, 'shop.price.quote')
  assert.equal(event('shop.order.placed', typed<object>(), { channel: 'orders' }).channel, 'orders')
})

test('defaults are the documented ones, and a contract is frozen', () => {
  const contract = event('shop.order.placed', z.object({ orderId: z.string() }))
  assert.deepEqual(
    { ...contract, schema: undefined },
    {
      kind: 'event',
      name: 'shop.order.placed',
      channel: 'shop.order',
      version: 1,
      schema: undefined,
      key: undefined,
      tags: [],
      upcast: Object.create(null),
      channelSettings: undefined,
      groups: [],
      unrouted: 'keep',
    },
  )
  assert.ok(Object.isFrozen(contract) && Object.isFrozen(contract.tags) && Object.isFrozen(contract.groups) && Object.isFrozen(contract.upcast))
})

test('several contracts share a channel with its key, partitions and retention; a key of their own wins', () => {
  const orders = channel('shop.order', { key: (o: { orderId: string }) => o.orderId, partitions: 8, retention: { maxAgeMs: 1000 } })
  const placed = event('shop.order.placed', z.object({ orderId: z.string(), total: z.number() }), { channel: orders })
  const paid = event('shop.order.paid', v.object({ orderId: v.string() }), { channel: orders })
  const moved = event('shop.order.moved', type({ orderId: 'string', to: 'string' }), { channel: orders, key: (o) => o.to })
  assert.equal(placed.channel, 'shop.order')
  assert.equal(placed.key, orders.key)
  assert.equal(paid.key, orders.key)
  assert.notEqual(moved.key, orders.key)
  assert.deepEqual(placed.channelSettings, { name: 'shop.order', partitions: 8, retention: { maxAgeMs: 1000 } })
})

test('what is neither schema nor option is refused by name', () => {
  const schema = typed<object>()
  const options = (value: object): never => value as never
  for (const make of [
    () => event('a.b', undefined as never),
    () => event('a.b', { '~standard': {} } as never),
    () => event('a.b', schema, options({ chanel: 'x' })),
    () => command('a.b', schema, options({ groups: ['x'] })),
    () => request('a.b', schema, options({})),
    () => event('a.b', schema, options({ key: 'orderId' })),
    () => event('a.b', schema, options({ version: 0 })),
    () => event('a.b', schema, options({ version: 1.5 })),
    () => event('a.b', schema, options({ version: 2, upcast: { 2: (d: unknown) => d } })),
    () => event('a.b', schema, options({ version: 2, upcast: { 0: (d: unknown) => d } })),
    () => event('a.b', schema, options({ version: 2, upcast: { 1: 'no' } })),
    () => event('a.b', schema, options({ unrouted: 'drop' })),
    () => event('a.b', schema, options({ tags: Array(17).fill('t') })),
    () => event('a.b', schema, null as never),
    () => channel('a', options({ partitions: 0 })),
    () => channel('a', options({ partitions: 1.5 })),
    () => channel('a', options({ retention: { maxAgeMs: -1 } })),
    () => channel('a', options({ retention: { maxAge: 1 } })),
    () => channel('a', options({ retention: { maxBytes: Number.NaN } })),
    () => channel('a', options({ key: 1 })),
  ])
    assert.throws(make, code('INVALID_OPTION'), make.toString())
})

test('names of contracts, channels, groups and tags are checked where they are given', () => {
  const schema = typed<object>()
  assert.throws(() => event('Bestellung aufgegeben', schema), code('INVALID_NAME'))
  assert.throws(() => event('a.b', schema, { channel: '../x' }), code('INVALID_NAME'))
  assert.throws(() => event('a.b', schema, { groups: ['*'] }), code('INVALID_NAME'))
  assert.throws(() => event('a.b', schema, { tags: ['a || b'] }), code('INVALID_NAME'))
  assert.throws(() => channel('a..b'), code('INVALID_NAME'))
  assert.throws(() => event('sluice.internal', schema), code('INVALID_NAME'))
})

test('isContract knows contracts from everything else', () => {
  assert.ok(isContract(event('a.b', typed<object>())))
  for (const other of [undefined, null, 1, 'a.b', {}, [], { kind: 'event' }, typed<object>(), channel('a')]) assert.equal(isContract(other), false)
})
