import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keyHash } from '@sluice/core/transport'
import { bindingKey, powerOfTwo, routingKey } from './names.ts'
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

test('a routing key ends with the bits that the binding of its partition names', () => {
  for (const key of ['a', 'order-1', '订单']) {
    const words = routingKey({ id: 'x', type: 'shop.order.placed', source: 's', time: '', body: '', partitionkey: key })
    assert.ok(words.startsWith('shop.order.placed.'))
    for (const partitions of [2, 8, 64]) assert.ok(words.endsWith(bindingKey('key', keyHash(key) % partitions, partitions).slice(1)), `${key} of ${partitions}`)
  }
  assert.equal(bindingKey('channel', 0, 1), '#')
  assert.equal(bindingKey('none', 1, 2), '#.1.*.*.*.*.*.*')
  assert.deepEqual([1, 3, 12, 1_000].map(powerOfTwo), [1, 4, 16, 64])
})
