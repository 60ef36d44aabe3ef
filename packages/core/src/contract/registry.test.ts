import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSluiceError } from '../errors/index.ts'
import { type Contract, ContractRegistry, channel, command, event, request, typed } from './index.ts'

const schema = typed<object>()
const conflict =
  (pattern: RegExp) =>
  (error: unknown): boolean =>
    isSluiceError(error, 'CONTRACT_CONFLICT') && pattern.test(error.message)

function registered(...contracts: Contract[]): ContractRegistry {
  const registry = new ContractRegistry()
  for (const contract of contracts) registry.register(contract)
  return registry
}

test('a channel carries events, or commands and requests', () => {
  assert.throws(
    () => registered(event('shop.order.placed', schema), command('shop.order', schema)),
    conflict(/carries events \(shop\.order\.placed\), so it cannot carry the command/),
  )
  assert.throws(() => registered(request('a', schema, { reply: schema }), event('a.b', schema)), conflict(/carries commands/))
  const both = registered(command('a.one', schema, { channel: 'a' }), request('a.two', schema, { channel: 'a', reply: schema })).channel('a')
  assert.equal(both?.kind, 'commands')
  assert.deepEqual(
    both?.contracts.map((c) => c.name),
    ['a.one', 'a.two'],
  )
})

test('one name means one kind, channel and version; otherwise two descriptions of it may live together', () => {
  const placed = event('a.b', schema)
  const registry = registered(placed, placed, event('a.b', typed<{ narrower: string }>()))
  assert.equal(registry.byName('a.b'), placed)
  assert.equal(registry.byName('a.c'), undefined)
  assert.throws(() => registry.register(event('a.b', schema, { version: 2 })), conflict(/version 1, one with 2/))
  assert.throws(() => registry.register(event('a.b', schema, { channel: 'x' })), conflict(/channel a, one with x/))
  assert.throws(() => registry.register(command('a.b', schema)), conflict(/kind event, one with command/))
})

test('names that differ only in case would meet on some brokers', () => {
  assert.throws(() => registered(event('shop.Order.placed', schema), event('shop.order.placed', schema)), conflict(/differ only in case/))
  assert.throws(() => registered(event('shop.Order.placed', schema), event('shop.order.paid', schema)), conflict(/channel names shop\.Order and shop\.order/))
})

test('the settings of a shared channel must agree; a plain name has no opinion', () => {
  const a = channel('shop.order', { partitions: 8, retention: { maxBytes: 1 } })
  const same = channel('shop.order', { partitions: 8, retention: { maxBytes: 1 } })
  const other = channel('shop.order', { partitions: 9 })
  const registry = registered(
    event('shop.order.a', schema),
    event('shop.order.b', schema, { channel: a }),
    event('shop.order.c', schema, { channel: same, groups: ['audit'] }),
  )
  const known = registry.channel('shop.order')
  assert.equal(known?.partitions, 8)
  assert.deepEqual(known?.retention, { maxBytes: 1 })
  assert.deepEqual([...(known?.groups ?? [])], ['audit'])
  assert.throws(() => registry.register(event('shop.order.d', schema, { channel: other })), conflict(/made twice/))
})

test('a refused contract leaves no trace', () => {
  const registry = registered(event('a.b', schema))
  assert.throws(() => registry.register(command('c', schema, { channel: 'a' })))
  assert.equal(registry.byName('c'), undefined)
  assert.deepEqual(
    registry.channels().map((c) => [c.name, c.contracts.length]),
    [['a', 1]],
  )
  registry.register(event('c.d', schema))
  assert.deepEqual(
    registry.channels().map((c) => c.name),
    ['a', 'c'],
  )
})

test('what is no contract is refused', () => {
  for (const other of [undefined, null, 'a.b', {}, schema])
    assert.throws(
      () => new ContractRegistry().register(other as never),
      (error) => isSluiceError(error, 'INVALID_OPTION'),
    )
})
