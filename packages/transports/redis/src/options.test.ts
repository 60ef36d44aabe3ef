import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isSluiceError, systemClock, type TransportContext } from '@sluice/core/transport'
import { connectError, serverError } from './errors.ts'
import { transport } from './index.ts'
import { type RedisTarget, redisOptions, redisTarget } from './options.ts'
import { RedisError } from './resp/reply.ts'

const contextWith = (redis?: unknown): TransportContext => ({
  clock: systemClock,
  service: 's',
  instanceId: 'i',
  report() {},
  options: redis === undefined ? {} : { redis },
})

function target(url: string, redis?: unknown): RedisTarget {
  const context = contextWith(redis)
  return redisTarget(url, context, redisOptions(url, context))
}

const first = (url: string): string => target(url).hosts.map(({ host, port }) => `${host} ${port}`)[0] ?? ''

test('a URL says host, port, database, user and whether to use TLS', () => {
  const { hosts, database, tls, username, password, shown } = target('rediss://us%40er:p%2Fw@redis.example:7000/3?prefix=x:')
  assert.deepEqual([hosts, database, username, password, shown], [[{ host: 'redis.example', port: 7_000 }], 3, 'us@er', 'p/w', 'rediss://redis.example:7000/3'])
  assert.deepEqual(tls, {})
  assert.deepEqual([first('redis://[::1]'), first('redis:'), first('redis://h'), target('redis://h').tls], ['::1 6379', 'localhost 6379', 'h 6379', undefined])
  assert.equal(redisOptions('redis://h?prefix=x:', contextWith()).prefix, 'x:')
})

test('a URL may name several hosts: of a cluster, or Sentinels, whose port is another', () => {
  const cluster = target('redis://u:p@a:1,b,[::1]:3?prefix=x:')
  assert.deepEqual(
    [cluster.hosts, cluster.username, cluster.password, cluster.clusterKey, cluster.master],
    [
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 6_379 },
        { host: '::1', port: 3 },
      ],
      'u',
      'p',
      '{x:}{}',
      undefined,
    ],
  )
  assert.equal(cluster.shown, 'redis://a:1,b:6379,::1:3')
  const { hosts, master } = target('redis://s1,s2:7?master=main')
  assert.deepEqual(hosts, [
    { host: 's1', port: 26_379 },
    { host: 's2', port: 7 },
  ])
  assert.equal(master, 'main')
})

test('a password may come from a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-redis-'))
  const passwordFile = join(folder, 'password')
  writeFileSync(passwordFile, 'from the file\n')
  assert.equal(target('redis://h', { passwordFile }).password, 'from the file')
  assert.equal(target('redis://:from-url@h', { passwordFile }).password, 'from-url')
  assert.equal(target(`redis://h?passwordFile=${encodeURIComponent(passwordFile)}`).password, 'from the file')
  assert.throws(() => target(`rediss://h?ca=${encodeURIComponent(passwordFile)}`), { code: 'INVALID_OPTION', message: /nothing in PEM form/ })
  writeFileSync(passwordFile, '-----BEGIN CERTIFICATE-----\n')
  assert.deepEqual(target(`rediss://h?ca=${encodeURIComponent(passwordFile)}`).tls, { ca: '-----BEGIN CERTIFICATE-----\n' })
  rmSync(folder, { recursive: true })
  assert.throws(() => target('redis://h', { passwordFile }), { code: 'INVALID_OPTION' })
})

test('what cannot work is refused by name', () => {
  for (const [url, redis] of [
    ['redis://h/x', undefined],
    ['redis://h?db=1', undefined],
    ['redis://a,,b', undefined],
    ['redis://h?master=', undefined],
    ['redis://h', { leaseMs: 1 }],
    ['redis://h', { partitions: 0.5 }],
    ['redis://h', { prefix: 'a{b}' }],
    ['redis://h', { nonsense: 1 }],
    ['redis://h', 7],
  ] as const)
    assert.throws(() => target(url, redis), { code: 'INVALID_OPTION' }, `${url} ${JSON.stringify(redis)}`)
})

test('no error shows the password or what was sent', async () => {
  const canary = 'CANARY-secret'
  const url = `redis://user:${canary}@127.0.0.1:1/0`
  const failed = await transport.open(url, contextWith()).catch((error: unknown) => error)
  assert.ok(isSluiceError(failed, 'TRANSPORT_FAILED'))
  assert.match(failed.message, /cannot connect to redis:\/\/127\.0\.0\.1:1\/0 \(ECONNREFUSED\)/)
  const refused = serverError(new RedisError(`ERR unknown command 'x', with args beginning with: '${canary}'`)).error
  for (const error of [failed, refused, connectError(new RedisError('WRONGPASS invalid username-password pair'), 'redis://h')]) {
    assert.ok(!JSON.stringify(error).includes(canary) && !String(error.stack).includes(canary))
  }
})

test('errors of the server mean one thing each', () => {
  const meaning = (text: string): readonly [string, boolean] => {
    const { error, retryable } = serverError(new RedisError(text))
    return [error.code, retryable]
  }
  assert.deepEqual(meaning('OOM command not allowed'), ['BACKPRESSURE', true])
  assert.deepEqual(meaning('MISCONF Redis is configured to save'), ['STORE_FULL', true])
  assert.deepEqual(meaning('READONLY You can not write'), ['TRANSPORT_FAILED', true])
  assert.deepEqual(meaning('NOPERM this user has no permissions'), ['TRANSPORT_FORBIDDEN', false])
  assert.deepEqual(meaning('WRONGPASS invalid username-password pair'), ['TRANSPORT_UNAUTHENTICATED', false])
})
