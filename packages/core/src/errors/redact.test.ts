import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inspect } from 'node:util'
import { describeError, redactUrl, redactUrls, SluiceError } from './index.ts'

const canary = 'c4n4ry'

const secretUrls: readonly string[] = [
  `amqp://app:${canary}@host:5672/vhost`,
  `amqp://:${canary}@host`,
  `redis://${canary}@host`,
  `nats://${canary}@host:4222`,
  `AMQPS://app:${canary}@host`,
  `kafka+ssl://app:${canary}@h1:9092,h2:9092/x`,
  `amqp://app:p/${canary}@host/vhost`,
  `amqp://app:p?${canary}@host`,
  `amqp://app:p#${canary}@host`,
  `amqp://app:p@${canary}@host`,
  `amqp://app:"${canary}"@host`,
  `amqp://app:p%40${canary}@host`,
  `amqp://u:1/${canary}@h`,
  `kafka://a:${canary}@h1,kafka://b:${canary}@h2`,
  `https://host/queue?token=${canary}`,
  `https://host/?X-Amz-Signature=${canary}&x=1`,
  `sqs://host?access_key_id=${canary}&secretAccessKey=${canary}`,
  `sqs://host?secret_access_key=${canary}`,
  `amqp://host?pass%77ord=${canary}`,
  `https://host/a#access_token=${canary}`,
  `postgres://host/db?sslpassword=1&password=${canary}`,
  `mqtt://u@${canary}@h`,
  `memory:x?password=${canary}`,
  `file:/srv/bus.db?token=${canary}`,
  `file:///srv/bus.db?secret=${canary}`,
]

test('no secret of a URL survives', () => {
  for (const url of secretUrls) {
    assert.ok(!redactUrl(url).includes(canary), `${url} became ${redactUrl(url)}`)
    if (url.includes('#access') || /^(?:file|memory):/.test(url)) continue
    const text = redactUrls(`connect to ${url} failed, tried "${url}" and (${url}), then gave up`)
    assert.ok(!text.includes(canary), text)
    assert.match(text, /^connect to .* then gave up$/)
  }
})

test('what is no secret stays', () => {
  assert.equal(redactUrl('amqp://app:pw@host:5672/vhost?heartbeat=5'), 'amqp://app:***@host:5672/vhost?heartbeat=5')
  assert.equal(redactUrl('kafka://h1:9092,h2:9092/x?group=a'), 'kafka://h1:9092,h2:9092/x?group=a')
  assert.equal(redactUrl('file:/srv/.sluice/bus.db'), 'file:/srv/.sluice/bus.db')
  assert.equal(redactUrl('file:///srv/a@b/bus.db'), 'file:///srv/a@b/bus.db')
  assert.equal(redactUrl('memory:'), 'memory:')
  assert.equal(redactUrls('mail a@b.c, see https://sluice.dev/x'), 'mail a@b.c, see https://sluice.dev/x')
  assert.equal(redactUrls('    at x (file:///srv/node_modules/@sluice/core/dist/a.js:1:2)'), '    at x (file:///srv/node_modules/@sluice/core/dist/a.js:1:2)')
  assert.equal(redactUrl(new URL('redis://u:p@h/0')), 'redis://u:***@h/0')
  assert.equal(redactUrl('://'), '://')
})

test('an error hides secrets in its text, its fix, its details and its causes', () => {
  const url = `amqp://app:${canary}@host`
  const driver = Object.assign(new Error(`connect ${url}`, { cause: new Error(`dns of ${url}`) }), { code: 'ECONNREFUSED' })
  const error = new SluiceError('TRANSPORT_FAILED', `cannot connect to ${url}`, {
    fix: `Check ${url}`,
    details: { url, parsed: new URL(url), password: canary, host: 'host' },
    cause: new Error('outer', { cause: driver }),
  })
  const shown = [
    inspect(error, { depth: 10, showHidden: true }),
    JSON.stringify(error),
    error.stack,
    String(error),
    JSON.stringify(describeError(error)),
    JSON.stringify(describeError(driver)),
  ]
  for (const text of shown) assert.ok(text !== undefined && !text.includes(canary), text ?? '')
  assert.equal(error.details.host, 'host')
  const cause = (error.cause as Error).cause as Error & { code: string }
  assert.equal(cause.code, 'ECONNREFUSED')
  assert.equal(cause.message, 'connect amqp://app:***@host')
  assert.ok(driver.message.includes(canary), "the driver's own error is left as it is")
})

test('a cause without a secret is kept as it is', () => {
  const cause = new Error('plain')
  assert.equal(new SluiceError('TRANSPORT_FAILED', 'x', { cause }).cause, cause)
  const details = { a: 1 }
  assert.equal(new SluiceError('TRANSPORT_FAILED', 'x', { details }).details, details)
})

test('hostile text is redacted in linear time', () => {
  const started = performance.now()
  for (const text of [
    'a'.repeat(2_000_000),
    '://'.repeat(500_000),
    `a://${'@'.repeat(2_000_000)}`,
    `a://b?${'token='.repeat(300_000)}`,
    'a:// '.repeat(300_000),
    `${'a://b?x=1&'.repeat(200_000)}`,
  ])
    redactUrls(text)
  assert.ok(performance.now() - started < 5_000, `${performance.now() - started} ms`)
})
