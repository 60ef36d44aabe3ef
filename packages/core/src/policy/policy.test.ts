import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../clock/index.ts'
import { isSluiceError } from '../errors/index.ts'
import type { Envelope } from '../message/index.ts'
import { Breaker, breakerOptions } from './breaker.ts'
import { deadLetterReason } from './dead-letter.ts'
import { isExpired } from './expiry.ts'
import { isReject, isRetryAfter, Reject, RetryAfter } from './outcome.ts'
import { rateLimit, TokenBucket } from './rate-limit.ts'
import { decideRetry, retryDelayMs, retryPolicy } from './retry.ts'

const random = seededRandom(1)
const failed = (attempt: number) => ({ attempt, firstDeliveredAtMs: 0 })

test('delays double up to the longest, spread over their upper half', () => {
  const policy = retryPolicy({ minDelayMs: 100, maxDelayMs: 1_000, attempts: 100 })
  for (let attempt = 1; attempt < 90; attempt++) {
    const fullMs = Math.min(1_000, 100 * 2 ** (attempt - 1))
    for (let i = 0; i < 20; i++) {
      const delayMs = retryDelayMs(policy, attempt, random)
      assert.ok(delayMs >= Math.floor(fullMs / 2) && delayMs <= fullMs, `attempt ${attempt}: ${delayMs} ms of ${fullMs}`)
    }
  }
})

test('retries end: by attempts, by age, by Reject, by when()', () => {
  const policy = retryPolicy({ attempts: 3, minDelayMs: 10, maxDelayMs: 10, maxAgeMs: 1_000, when: (error) => !(error instanceof TypeError) })
  assert.equal(decideRetry(policy, failed(1), new Error('x'), 0, random).kind, 'retry')
  assert.deepEqual(decideRetry(policy, failed(3), new Error('x'), 0, random), { kind: 'giveUp', because: 'attempts' })
  assert.deepEqual(decideRetry(policy, failed(1), new Error('x'), 995, random), { kind: 'giveUp', because: 'age' })
  assert.deepEqual(decideRetry(policy, failed(1), new Reject('no'), 0, random), { kind: 'giveUp', because: 'rejected' })
  assert.deepEqual(decideRetry(policy, failed(1), new TypeError('x'), 0, random), { kind: 'giveUp', because: 'not worth it' })
})

test('RetryAfter counts no attempt, whatever its number, and is bounded by age', () => {
  const policy = retryPolicy({ attempts: 1, maxAgeMs: 1_000 })
  assert.deepEqual(decideRetry(policy, failed(1), new RetryAfter(500), 0, random), { kind: 'retry', delayMs: 500, counted: false })
  assert.equal(decideRetry(policy, failed(1), new RetryAfter(500), 501, random).kind, 'giveUp')
  assert.throws(() => new RetryAfter(Number.NaN), /INVALID_OPTION/)
  assert.throws(() => new RetryAfter(-1), /INVALID_OPTION/)
})

test('a when() that throws does not lose the message', () => {
  const policy = retryPolicy({ when: () => assert.fail('broken') })
  assert.equal(decideRetry(policy, failed(1), new Error('x'), 0, random).kind, 'retry')
})

test('Reject and RetryAfter of another copy of the library are known by name', () => {
  const foreign = Object.assign(new Error('x'), { name: 'Reject' })
  assert.ok(isReject(foreign))
  assert.ok(isRetryAfter(Object.assign(new Error('x'), { name: 'RetryAfter', delayMs: 5 })))
  assert.ok(!isRetryAfter(Object.assign(new Error('x'), { name: 'RetryAfter', delayMs: Number.POSITIVE_INFINITY })))
})

test('options that cannot work are refused by name', () => {
  const wrong: (() => unknown)[] = [
    () => retryPolicy({ attempts: 0 }),
    () => retryPolicy({ attempts: 1.5 }),
    () => retryPolicy({ minDelayMs: -1 }),
    () => retryPolicy({ minDelayMs: 100, maxDelayMs: 50 }),
    () => retryPolicy({ maxAgeMs: Number.NaN }),
    () => retryPolicy({ when: 'always' as never }),
    () => rateLimit({ messages: 0, intervalMs: 100 }),
    () => rateLimit({ messages: 1, intervalMs: Number.POSITIVE_INFINITY }),
    () => breakerOptions('killSwitch', { share: 2 }),
    () => breakerOptions('circuitBreaker', { count: 0 }),
  ]
  for (const make of wrong) assert.throws(make, (error) => isSluiceError(error, 'INVALID_OPTION'), String(make))
})

test('a token bucket lets the stated number start within any interval after the first burst', () => {
  const bucket = new TokenBucket(rateLimit({ messages: 10, intervalMs: 100 }), 0)
  const starts: number[] = []
  for (let nowMs = 0; nowMs < 1_000; nowMs++) {
    while (bucket.allows(nowMs)) {
      bucket.take()
      starts.push(nowMs)
    }
    assert.ok(bucket.nextMs(nowMs) > nowMs)
  }
  assert.equal(starts.filter((ms) => ms === 0).length, 10)
  assert.ok(Math.abs(starts.length - 10 - 99.9) < 1.5, `${starts.length} starts`)
  bucket.allows(1e9)
  let burst = 0
  for (; bucket.allows(1e9); burst++) bucket.take()
  assert.equal(burst, 10)
})

test('a breaker trips on a share of failures, tries with one, and closes or opens again by it', () => {
  const breaker = new Breaker(breakerOptions('circuitBreaker', { count: 4, share: 0.5, windowMs: 100, openMs: 50 }), 0)
  for (let i = 0; i < 6; i++) breaker.good(0)
  for (let i = 0; i < 5; i++) assert.equal(breaker.bad(1), false)
  assert.equal(breaker.bad(1), true)
  assert.equal(breaker.state, 'open')
  assert.equal(breaker.allows(50), false)
  assert.equal(breaker.nextMs(50), 51)
  assert.equal(breaker.allows(51), true)
  breaker.began(51)
  assert.equal(breaker.allows(52), false)
  assert.equal(breaker.bad(53), true)
  assert.equal(breaker.allows(102), false)
  assert.equal(breaker.allows(103), true)
  breaker.began(103)
  breaker.good(104)
  assert.equal(breaker.state, 'closed')
})

test('a breaker forgets what is older than its window, and a trial without an outcome is tried again', () => {
  const breaker = new Breaker(breakerOptions('circuitBreaker', { count: 3, share: 0, windowMs: 100, openMs: 50 }), 0)
  breaker.bad(0)
  breaker.bad(0)
  assert.equal(breaker.bad(200), false)
  breaker.bad(200)
  assert.equal(breaker.bad(200), true)
  assert.ok(breaker.allows(250))
  breaker.began(250)
  assert.ok(!breaker.allows(299))
  assert.ok(breaker.allows(300))
})

test('expiry: at the time itself; a malformed time never expires', () => {
  const envelope: Envelope = { id: 'a', type: 't', source: 's', time: '', body: '' }
  const at = Date.parse('2026-01-01T00:00:00.000Z')
  assert.ok(isExpired({ ...envelope, expirytime: '2026-01-01T00:00:00.000Z' }, at))
  assert.ok(!isExpired({ ...envelope, expirytime: '2026-01-01T00:00:00.001Z' }, at))
  assert.ok(!isExpired({ ...envelope, expirytime: 'tomorrow' }, at))
  assert.ok(!isExpired(envelope, at))
})

test("a dead letter's reason is made of anything that was thrown", () => {
  const givenUp = { attempts: 2, deliveries: 3, firstDeliveredAtMs: 1, deadLetteredAtMs: 2, service: 's', instanceId: 'i' }
  const reason = deadLetterReason(new RangeError('too much'), givenUp)
  assert.equal(reason.code, 'RangeError')
  assert.equal(reason.message, 'too much')
  assert.match(reason.stack ?? '', /policy\.test/)
  assert.match(reason.fingerprint, /^[0-9a-f]{16}$/)
  for (const thrown of [undefined, null, 0, '', Symbol('x'), { toString: 5 }, Object.create(null), new Proxy({}, { get: () => assert.fail('trap') })]) {
    assert.equal(deadLetterReason(thrown, givenUp).attempts, 2)
  }
})
