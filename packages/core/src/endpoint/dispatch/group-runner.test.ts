import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../clock/index.ts'
import { Reject, RetryAfter, retryPolicy } from '../../policy/index.ts'
import { binding, outgoing, rig, sleep, status, until } from './rig.fixture.ts'

test('synchronous handlers see every message of a key in order', async () => {
  const seen: string[] = []
  const { send, runner, transport } = await rig([binding((body) => void seen.push(body))])
  await send(...Array.from({ length: 500 }, (_, i) => outgoing(i % 3 === 0 ? undefined : `k${i % 7}`, String(i))))
  await until('all handled', () => seen.length === 500)
  for (let key = 0; key < 7; key++) {
    const mine = seen.map(Number).filter((i) => i % 3 !== 0 && i % 7 === key)
    assert.deepEqual(
      mine,
      [...mine].sort((a, b) => a - b),
    )
  }
  await until('settled', async () => (await status(transport))?.backlog === 0)
  assert.equal(runner.stats.processed, 500)
  assert.equal(runner.stats.window, 0)
})

test('a failing message holds its own lane only, with its attempts counted', async () => {
  const seen: string[] = []
  const { send, runner } = await rig([
    binding(async (body, entry) => {
      seen.push(`${body}#${entry.attempt}`)
      if (body === 'a1' && entry.attempt < 3) throw new Error('not yet')
    }),
  ])
  await send(outgoing('a', 'a1'), outgoing('a', 'a2'), outgoing('b', 'b1'), outgoing('b', 'b2'))
  await until('all handled', () => runner.stats.processed === 4)
  assert.deepEqual(
    seen.filter((s) => s.startsWith('a')),
    ['a1#1', 'a1#2', 'a1#3', 'a2#1'],
  )
  assert.ok(seen.indexOf('b2#1') < seen.indexOf('a1#2'))
  assert.equal(runner.stats.retried, 2)
})

test('what cannot succeed becomes a dead letter with its reason, and its lane goes on', async () => {
  const seen: string[] = []
  const { send, transport, runner } = await rig([
    binding((body) => {
      seen.push(body)
      if (body === 'bad') throw new TypeError('no such thing')
      if (body === 'never') throw new Reject('we do not ship there', { code: 'NO_ROUTE' })
      return undefined
    }),
  ])
  await send(outgoing('a', 'bad'), outgoing('a', 'a2'), outgoing('b', 'never'), outgoing('b', 'b2'))
  await until('all settled', () => runner.stats.processed === 2 && runner.stats.deadLettered === 2)
  assert.deepEqual(seen.filter((s) => s === 'bad').length, 3)
  await until('dead letters stored', async () => (await transport.admin.deadLetters('c', 'g', {})).length === 2)
  const letters = await transport.admin.deadLetters('c', 'g', {})
  const bad = letters.find((letter) => letter.envelope.body === 'bad')
  assert.equal(bad?.reason.code, 'TypeError')
  assert.equal(bad?.reason.attempts, 3)
  assert.match(bad?.reason.stack ?? '', /group-runner\.test\.ts/)
  const never = letters.find((letter) => letter.envelope.body === 'never')
  assert.equal(never?.reason.code, 'NO_ROUTE')
  assert.equal(never?.reason.attempts, 1)
})

test('RetryAfter waits without counting an attempt', async () => {
  const attempts: number[] = []
  const { send, runner } = await rig([
    binding((_body, entry) => {
      attempts.push(entry.attempt)
      if (attempts.length < 5) throw new RetryAfter(5)
      return undefined
    }),
  ])
  await send(outgoing('a', '1'))
  await until('handled', () => runner.stats.processed === 1)
  assert.deepEqual(attempts, [1, 1, 1, 1, 1])
})

test('a wait beyond holdMaxMs suspends the lane: order is kept through the parking lot', async () => {
  const seen: string[] = []
  const { send, transport, runner } = await rig(
    [
      binding(
        (body, entry) => {
          seen.push(body)
          if (body === 'a1' && entry.attempt === 1) throw new Error('later')
          return undefined
        },
        { retry: retryPolicy({ attempts: 3, minDelayMs: 100, maxDelayMs: 100 }) },
      ),
    ],
    { holdMaxMs: 20 },
  )
  await send(outgoing('a', 'a1'), outgoing('a', 'a2'), outgoing('b', 'b1'))
  await until('suspended', async () => (await status(transport))?.suspendedLanes === 1)
  await send(outgoing('a', 'a3'), outgoing(undefined, 'u'))
  await until('all handled', () => runner.stats.processed === 5)
  assert.deepEqual(
    seen.filter((s) => s.startsWith('a')),
    ['a1', 'a1', 'a2', 'a3'],
  )
  await until('lot empty', async () => (await status(transport))?.suspendedLanes === 0)
  await send(outgoing('a', 'a4'))
  await until('open again', () => seen.at(-1) === 'a4')
})

test('an unkeyed message is suspended alone and comes back', async () => {
  const seen: string[] = []
  const { send, runner } = await rig(
    [
      binding(
        (body, entry) => {
          seen.push(body)
          if (body === 'u1' && entry.attempt === 1) throw new Error('later')
          return undefined
        },
        { retry: retryPolicy({ attempts: 3, minDelayMs: 60, maxDelayMs: 60 }) },
      ),
    ],
    { holdMaxMs: 5 },
  )
  await send(outgoing(undefined, 'u1'), outgoing(undefined, 'u2'))
  await until('all handled', () => runner.stats.processed === 2)
  assert.deepEqual(seen, ['u1', 'u2', 'u1'])
})

test('park keeps successors behind the dead letter until it is redriven', async () => {
  const seen: string[] = []
  let broken = true
  const { send, transport, runner } = await rig(
    [
      binding((body) => {
        seen.push(body)
        if (body === 'a1' && broken) throw new Reject('broken')
        return undefined
      }),
    ],
    { onDeadLetter: 'park' },
  )
  await send(outgoing('a', 'a1'), outgoing('a', 'a2'), outgoing('b', 'b1'))
  await until('parked', async () => (await status(transport))?.parkedLanes === 1)
  await send(outgoing('a', 'a3'))
  await until('parked behind', async () => (await transport.admin.deadLetters('c', 'g', {}))[0]?.parkedBehind === 2)
  assert.deepEqual(seen.toSorted(), ['a1', 'b1'])
  broken = false
  assert.equal(await transport.admin.redrive('c', 'g', {}), 1)
  await until('all handled', () => runner.stats.processed === 4)
  assert.deepEqual(
    seen.filter((s) => s.startsWith('a')),
    ['a1', 'a1', 'a2', 'a3'],
  )
})

test('discard of the dead letter lets its successors go', async () => {
  const seen: string[] = []
  const { send, transport, runner } = await rig(
    [
      binding((body) => {
        seen.push(body)
        if (body === 'a1') throw new Reject('broken')
        return undefined
      }),
    ],
    { onDeadLetter: 'park' },
  )
  await send(outgoing('a', 'a1'), outgoing('a', 'a2'))
  await until('parked behind', async () => (await transport.admin.deadLetters('c', 'g', {}))[0]?.parkedBehind === 1)
  assert.equal(await transport.admin.discard('c', 'g', {}), 1)
  await until('all handled', () => runner.stats.processed === 1)
  assert.deepEqual(seen, ['a1', 'a2'])
})

test('concurrency bounds handler calls, and every slot is used', async () => {
  let running = 0
  let most = 0
  const { send, runner } = await rig(
    [
      binding(async () => {
        most = Math.max(most, ++running)
        await sleep(5)
        running--
      }),
    ],
    { concurrency: 4 },
  )
  await send(...Array.from({ length: 40 }, (_, i) => outgoing(undefined, String(i))))
  await until('all handled', () => runner.stats.processed === 40)
  assert.equal(most, 4)
})

test('a time-out aborts the signal and counts as a failed attempt', async () => {
  const reasons: unknown[] = []
  const { send, transport, runner } = await rig([
    binding(
      (_body, _entry, signal) =>
        new Promise<void>((_resolve, reject) =>
          signal().addEventListener('abort', () => {
            reasons.push(signal().reason.code)
            reject(new Error('aborted'))
          }),
        ),
      { timeoutMs: 20, retry: retryPolicy({ attempts: 2, minDelayMs: 1, maxDelayMs: 1 }) },
    ),
  ])
  await send(outgoing('a', '1'))
  await until('given up', () => runner.stats.deadLettered === 1)
  assert.deepEqual(reasons, ['HANDLER_TIMEOUT', 'HANDLER_TIMEOUT'])
  await until('stored', async () => (await transport.admin.deadLetters('c', 'g', {}))[0]?.reason.code === 'HANDLER_TIMEOUT')
})

test('a handler that hangs and ignores its signal is left to itself; its lane goes on', async () => {
  const seen: string[] = []
  const { send, runner, reports } = await rig([
    binding(
      (body) => {
        seen.push(body)
        return body === 'hang' ? new Promise<void>(() => undefined) : undefined
      },
      { timeoutMs: 20, retry: retryPolicy({ attempts: 1 }) },
    ),
  ])
  await send(outgoing('a', 'hang'), outgoing('a', 'a2'))
  await until('next one handled', () => seen.includes('a2'))
  assert.equal(runner.stats.deadLettered, 1)
  assert.ok(reports.some((report) => report.includes('ignores its aborted signal')))
})

test('batches: full ones run at once, others at their maximum age; one bad entry fails alone', async () => {
  const batches: string[][] = []
  const { send, runner, transport } = await rig([
    binding(() => undefined, {
      batch: { size: 4, waitMs: 30, perLane: 'one' },
      retry: retryPolicy({ attempts: 1 }),
      run: (entries) => {
        batches.push(entries.map((entry) => String(entry.prepared)))
        for (const entry of entries) if (entry.prepared === '5') entry.failure = { error: new Error('five') }
        return undefined
      },
    }),
  ])
  const begun = Date.now()
  await send(...Array.from({ length: 10 }, (_, i) => outgoing(undefined, String(i))))
  await until('all settled', () => runner.stats.processed === 9 && runner.stats.deadLettered === 1)
  assert.deepEqual(
    batches.map((batch) => batch.length),
    [4, 4, 2],
  )
  assert.ok(Date.now() - begun >= 25)
  await until('stored', async () => (await transport.admin.deadLetters('c', 'g', {})).length === 1)
})

test('batches take one of a lane, or several in order where asked for', async () => {
  for (const perLane of ['one', 'many'] as const) {
    const batches: string[][] = []
    const { send, runner } = await rig([
      binding(() => undefined, {
        batch: { size: 10, waitMs: 0, perLane },
        run: async (entries) => {
          batches.push(entries.map((entry) => String(entry.prepared)))
          await sleep(1)
        },
      }),
    ])
    await send(outgoing('a', 'a1'), outgoing('a', 'a2'), outgoing('b', 'b1'), outgoing('a', 'a3'))
    await until('all handled', () => runner.stats.processed === 4)
    assert.deepEqual(batches[0]?.toSorted(), perLane === 'one' ? ['a1', 'b1'] : ['a1', 'a2', 'a3', 'b1'])
    assert.deepEqual(
      batches.flat().filter((body) => body.startsWith('a')),
      ['a1', 'a2', 'a3'],
    )
  }
})

test("with several of a lane in a batch, a failure sends its lane's later ones back, uncounted", async () => {
  const calls: string[][] = []
  const { send, runner } = await rig([
    binding(() => undefined, {
      batch: { size: 10, waitMs: 0, perLane: 'many' },
      run: (entries) => {
        calls.push(entries.map((entry) => `${String(entry.prepared)}#${entry.attempt}`))
        for (const entry of entries) if (entry.prepared === 'a2' && entry.attempt < 3) entry.failure = { error: new Error('not yet') }
        return undefined
      },
    }),
  ])
  await send(outgoing('a', 'a1'), outgoing('a', 'a2'), outgoing('a', 'a3'))
  await until('all handled', () => runner.stats.processed === 3)
  assert.deepEqual(calls, [
    ['a1#1', 'a2#1', 'a3#1'],
    ['a2#2', 'a3#1'],
    ['a2#3', 'a3#1'],
  ])
})

test('expired messages, filtered ones and types that nobody handles never reach the handler', async () => {
  const seen: string[] = []
  const { send, runner, transport } = await rig([binding((body) => void seen.push(body), { accepts: (delivery) => delivery.envelope.body !== 'filtered' })])
  await send(
    outgoing('a', 'old', { expirytime: '2026-01-01T00:00:00.000Z' }),
    outgoing('a', 'filtered'),
    outgoing('a', 'other', { type: 'other' }),
    outgoing('a', 'mine'),
  )
  await until('all settled', async () => (await status(transport))?.backlog === 0)
  assert.deepEqual(seen, ['mine'])
  assert.equal(runner.stats.expired, 1)
  assert.equal(runner.stats.skipped, 2)
})

test('a command that nobody handles is dead-lettered as UNKNOWN_TYPE', async () => {
  const { send, transport, reports } = await rig([binding(() => undefined)], { unhandled: 'dead-letter' })
  await send(outgoing('a', 'x', { type: 'other' }))
  await until('stored', async () => (await transport.admin.deadLetters('c', 'g', {}))[0]?.reason.code === 'UNKNOWN_TYPE')
  assert.ok(reports.some((report) => report.includes('UNKNOWN_TYPE')))
})

test('stop lets handlers finish, and releases the rest for the next one', async () => {
  const seen: string[] = []
  const { send, runner, transport } = await rig(
    [
      binding(async (body) => {
        await sleep(20)
        seen.push(body)
      }),
    ],
    { concurrency: 2 },
  )
  await send(...Array.from({ length: 10 }, (_, i) => outgoing(undefined, String(i))))
  await until('two run', () => runner.stats.inFlight === 2)
  assert.deepEqual(await runner.stop({ deadlineMs: 1000 }), { finished: 2, released: 8 })
  assert.equal(seen.length, 2)
  assert.equal((await status(transport))?.backlog, 8)
  const next = await rig([binding((body) => void seen.push(body))], {}, 100, transport)
  await until('the rest handled', () => seen.length === 10)
  assert.equal(next.runner.stats.processed, 8)
})

test('stop aborts at its deadline and releases at once', async () => {
  let aborted = false
  const { send, runner, transport } = await rig([
    binding(
      (_body, _entry, signal) =>
        new Promise<void>(() =>
          signal().addEventListener('abort', () => {
            aborted = true
          }),
        ),
    ),
  ])
  await send(outgoing('a', 'a1'), outgoing('a', 'a2'))
  await until('running', () => runner.stats.inFlight === 1)
  const begun = Date.now()
  assert.deepEqual(await runner.stop({ deadlineMs: 30 }), { finished: 0, released: 2 })
  assert.ok(Date.now() - begun < 500)
  assert.ok(aborted)
  const seen: string[] = []
  await rig([binding((body, entry) => void seen.push(`${body}#${entry.attempt}`))], {}, 100, transport)
  await until('handled by the next', () => seen.length === 2)
  assert.deepEqual(seen, ['a1#1', 'a2#1'])
})

test('pause starts nothing until resume', async () => {
  const seen: string[] = []
  const { send, runner } = await rig([binding((body) => void seen.push(body))])
  runner.pause()
  await send(outgoing('a', '1'))
  await sleep(30)
  assert.deepEqual(seen, [])
  runner.resume()
  await until('handled', () => seen.length === 1)
})

test('a rate limit spreads the starts', async () => {
  const at: number[] = []
  const { send } = await rig([binding(() => void at.push(performance.now()))], { rateLimit: { messages: 5, intervalMs: 50 } })
  await send(...Array.from({ length: 15 }, (_, i) => outgoing(undefined, String(i))))
  await until('all handled', () => at.length === 15)
  const took = (at.at(-1) as number) - (at[0] as number)
  assert.ok(took >= 90, `15 at 5 per 50 ms took ${took} ms`)
})

test('the kill switch stops a group that fails wholesale before it empties the queue into dead letters', async () => {
  let broken = true
  const { send, runner, reports } = await rig(
    [
      binding(
        () => {
          if (broken) throw new Error('database away')
          return undefined
        },
        { retry: retryPolicy({ attempts: 1 }) },
      ),
    ],
    { killSwitch: { count: 10, share: 0.5, windowMs: 60_000, openMs: 60_000 }, holdMaxMs: 10 },
  )
  await send(...Array.from({ length: 100 }, (_, i) => outgoing(`k${i}`, String(i))))
  await until('tripped', () => runner.stats.killSwitch === 'open')
  await sleep(20)
  assert.equal(runner.stats.deadLettered, 9)
  assert.ok(reports.some((report) => report.includes('kill switch')))
  broken = false
  runner.resume()
  await until('others handled', () => runner.stats.processed >= 90)
  assert.equal(runner.stats.deadLettered, 9)
})

test('a circuit breaker pauses the group and tries with one message', async () => {
  let calls = 0
  let broken = true
  const { send, runner } = await rig(
    [
      binding(
        () => {
          calls++
          if (broken) throw new Error('away')
          return undefined
        },
        { retry: retryPolicy({ attempts: 100, minDelayMs: 1, maxDelayMs: 1 }) },
      ),
    ],
    { circuitBreaker: { count: 5, share: 0.5, windowMs: 10_000, openMs: 500 } },
  )
  await send(...Array.from({ length: 50 }, (_, i) => outgoing(`k${i}`, String(i))))
  await until('open', () => runner.stats.circuitBreaker === 'open')
  assert.equal(calls, 5)
  await until('one trial', () => calls === 6, 10_000)
  await sleep(10)
  assert.equal(calls, 6)
  broken = false
  await until('all handled', () => runner.stats.processed === 50)
})

test('back-pressure: no more than the window is taken from the transport', async () => {
  let most = 0
  const { send, runner } = await rig(
    [
      binding(async () => {
        most = Math.max(most, runner.stats.window)
        await sleep(1)
      }),
    ],
    { concurrency: 4 },
    20,
  )
  await send(...Array.from({ length: 200 }, (_, i) => outgoing(`k${i % 9}`, String(i))))
  await until('all handled', () => runner.stats.processed === 200)
  assert.ok(most <= 20, `window ${most}`)
})

test('a suspended lane is looked at again soon after the wall clock was put right, whatever its timer said', async () => {
  const clock = new ManualClock()
  let attempts = 0
  const { send, transport } = await rig(
    [
      binding(() => {
        if (++attempts === 1) throw new RetryAfter(3_600_000)
        return undefined
      }),
    ],
    { clock },
  )
  await send(outgoing('a', 'later'))
  await until('suspended', async () => (await status(transport))?.suspendedLanes === 1)
  clock.jumpTo(clock.nowMs() + 3_600_000)
  clock.advance(5_000)
  await until('tried again', () => attempts === 2)
})
