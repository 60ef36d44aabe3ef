import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock, type TransportContext } from '@sluice/core/transport'
import { transport } from './index.ts'
import { type KafkaOptions, type KafkaTarget, kafkaOptions, kafkaTarget } from './options.ts'

const contextWith = (kafka?: unknown): TransportContext => ({
  clock: systemClock,
  service: 's',
  instanceId: 'i',
  report() {},
  options: kafka === undefined ? {} : { kafka },
})
const target = (url: string, kafka?: unknown): KafkaTarget => kafkaTarget(url, contextWith(kafka))
const options = (url: string, kafka?: unknown): KafkaOptions => kafkaOptions(url, contextWith(kafka))

test('a URL says hosts, user, whether to use TLS, and what stands in its query', () => {
  const { brokers, credentials, tls, shown } = target('kafka+ssl://us%40er:p%2Fw@one:9093,[::1]:9094,three?prefix=x.')
  assert.deepEqual(brokers, [
    { host: 'one', port: 9_093 },
    { host: '::1', port: 9_094 },
    { host: 'three', port: 9_092 },
  ])
  assert.deepEqual([credentials, tls, shown], [{ mechanism: 'PLAIN', username: 'us@er', password: 'p/w' }, {}, 'kafka+ssl://one:9093,[::1]:9094,three'])
  assert.deepEqual([target('kafka://h').tls, target('kafka://h').credentials], [undefined, undefined])
  assert.equal(options('kafka://h?prefix=x.').prefix, 'x.')
  assert.equal(options('kafka://h?prefix=x.', { prefix: 'y.' }).prefix, 'y.', 'an option outranks the URL')
  assert.equal(target('kafka://u:p@h?mechanism=SCRAM-SHA-512').credentials?.mechanism, 'SCRAM-SHA-512')
})

test('passwords and certificates come from files, too', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-kafka-'))
  const [file, ca] = [join(folder, 'secret'), join(folder, 'ca.pem')]
  writeFileSync(file, 'from a file\n')
  writeFileSync(ca, '-----BEGIN CERTIFICATE-----\n')
  try {
    assert.equal(target('kafka://u@h', { passwordFile: file }).credentials?.password, 'from a file')
    assert.deepEqual(target(`kafka+ssl://h?ca=${encodeURIComponent(ca)}`).tls, { ca: '-----BEGIN CERTIFICATE-----\n' })
    assert.throws(() => target('kafka+ssl://h', { ca: file }), { code: 'INVALID_OPTION', message: /nothing in PEM form/ })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('what cannot work is refused, and no secret is in what is said', () => {
  for (const [url, given] of [
    ['http://u:secret@h', undefined],
    ['kafka://u:secret@h/topic', undefined],
    ['kafka://u:secret@h?password=secret', undefined],
    ['kafka://u:secret@h:port', undefined],
    ['kafka://u:%E0secret@h', undefined],
    ['kafka://u:secret@h', { sessionMs: 1 }],
    ['kafka://u:secret@h', { prefix: 'a/b' }],
    ['kafka://u:secret@h', { compression: 'lz4' }],
    ['kafka://u:secret@h', { mechanism: 'GSSAPI' }],
    ['kafka://u:secret@h', { unknown: 1 }],
    ['kafka://u@h', { passwordFile: '/no/such/file' }],
  ] as const)
    assert.throws(
      () => [options(url, given), target(url, given)],
      (error: Error & { code?: string }) => error.code === 'INVALID_OPTION' && !error.message.includes('secret'),
      url,
    )
})

test('nobody there: said at once, without the password', async () => {
  await assert.rejects(transport.open('kafka://u:secret@127.0.0.1:1', contextWith({ connectTimeoutMs: 2_000 })), (error: Error & { code?: string }) => {
    assert.deepEqual([error.code, error.message.includes('ECONNREFUSED'), error.message.includes('secret')], ['TRANSPORT_FAILED', true, false])
    return true
  })
})
