import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyHash } from '@sluice/core/transport'
import { bindingKeys, powerOfTwo, routingKey, typeOf } from './names.ts'
import { readUrl } from './options.ts'

const read = (url: string, rabbitmq: object = {}): ReturnType<typeof readUrl> => readUrl(url, { options: { rabbitmq } })

test('a URL names hosts, user, virtual host and options', () => {
  const { address, options } = read('amqps://us%40er:p%2Fw@one,two:5673,[::1]:9/orders?prefix=p&heartbeat=5&queues=classic')
  assert.deepEqual(address, {
    tls: true,
    hosts: [
      { host: 'one', port: 5671 },
      { host: 'two', port: 5673 },
      { host: '::1', port: 9 },
    ],
    user: 'us@er',
    password: 'p/w',
    vhost: 'orders',
  })
  assert.deepEqual([options.prefix, options.heartbeatS, options.queues, options.partitions], ['p', 5, 'classic', 8])
  assert.deepEqual(read('amqp://localhost').address.hosts, [{ host: 'localhost', port: 5672 }])
  assert.equal(read('amqp://h?prefix=2026').options.prefix, '2026')
  assert.equal(read('amqp://h?heartbeat=5', { heartbeatS: 7 }).options.heartbeatS, 7, 'an option outranks the URL')
  const as = (url: string, rabbitmq?: object): string[] => [read(url, rabbitmq).address.user, read(url, rabbitmq).address.password]
  assert.deepEqual(as('amqp://h'), ['guest', 'guest'])
  assert.deepEqual(as('amqp://app@h', { password: 'p' }), ['app', 'p'])
  assert.deepEqual(as('amqp://app:q@h', { password: 'p' }), ['app', 'q'])
})

test('what cannot work is refused, and no secret is said', () => {
  for (const url of ['amqp://u:CANARY@', 'amqp://u:CANARY@h?nonsense=1', 'amqp://u:CANARY@h?heartbeat=0', 'amqp://u:CANARY%@h', 'amqp://u:CANARY@h:x'])
    assert.throws(
      () => read(url),
      (error: Error) => 'code' in error && error.code === 'INVALID_OPTION' && !String(error.stack).includes('CANARY'),
      url,
    )
  assert.throws(() => read('amqp://h', { partitions: 12 }), { code: 'INVALID_OPTION' })
  assert.throws(() => read('amqp://h', { unknown: 1 }), { code: 'INVALID_OPTION' })
})

test('a routing key is that of one partition of each number of them, and of no other', () => {
  const matches = (key: string, pattern: string): boolean => {
    const words = key.split('.')
    const wanted = pattern.split('.')
    return pattern === '#' || (words.length === wanted.length && words.every((word, i) => wanted[i] === '*' || wanted[i] === word))
  }
  for (const key of ['a', 'order-1', '订单', ...Array.from({ length: 100 }, (_, n) => `k${n}`)]) {
    const words = routingKey({ id: `id ${key}`, type: 'shop.order.3', source: 's', time: '', body: '', partitionkey: key })
    assert.equal(typeOf(words), 'shop.order.3')
    for (const partitions of [1, 2, 4, 8, 16, 32, 64])
      for (const [order, placement] of [
        ['key', key],
        ['none', `id ${key}`],
      ] as const) {
        const found = Array.from({ length: partitions }, (_, index) => index).filter((index) =>
          bindingKeys(order, index, partitions).some((pattern) => matches(words, pattern)),
        )
        assert.deepEqual(found, [keyHash(placement) % partitions], `${key}, ${order}, ${partitions}`)
      }
  }
  assert.equal(typeOf('shop.order.placed'), 'shop.order.placed')
  assert.deepEqual(bindingKeys('channel', 0, 1), ['#'])
  assert.deepEqual(bindingKeys('key', 5, 8), ['*.5.*.*'])
  assert.deepEqual([1, 3, 12, 1_000].map(powerOfTwo), [1, 4, 16, 64])
})
