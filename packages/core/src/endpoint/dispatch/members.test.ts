import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { test } from 'node:test'
import { systemClock } from '../../clock/index.ts'
import { SluiceError } from '../../errors/index.ts'
import { Reject, retryPolicy } from '../../policy/index.ts'
import { type Consumer, memoryTransport } from '../../transport/index.ts'
import { binding, outgoing, type Rig, rig, sleep, status, until } from './rig.fixture.ts'

// Several members, several versions, and what the outside sees of it.

/** A runner whose consumer is damaged. */
async function rigWith(damage: (consumer: Consumer) => void): Promise<Rig> {
  const transport = await memoryTransport.open('memory:', { clock: systemClock, service: 'test', instanceId: 'damaged', report() {}, options: {} })
  const consume = transport.consume.bind(transport)
  transport.consume = async (subscription, observer) => {
    const consumer = await consume(subscription, observer)
    damage(consumer)
    return consumer
  }
  await transport.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [] })
  return rig([binding(() => undefined)], {}, 100, transport)
}

test('a type that only another member handles waits for that member, in order', async () => {
  const first: string[] = []
  const { send, transport, runner } = await rig([binding((body) => void first.push(body))])
  const second: string[] = []
  const other = await rig([binding((body) => void second.push(body), { types: ['t', 'u'] })], {}, 100, transport)
  await send(
    outgoing('a', 'a1'),
    outgoing('a', 'a2', { type: 'u' }),
    outgoing('a', 'a3'),
    outgoing('b', 'b1', { type: 'u' }),
    outgoing(undefined, 'x', { type: 'u' }),
  )
  await until('all settled', async () => (await status(transport))?.backlog === 0, 15_000)
  const all = [...first, ...second]
  assert.deepEqual(all.toSorted(), ['a1', 'a2', 'a3', 'b1', 'x'])
  assert.ok(second.includes('a2') && second.includes('b1') && second.includes('x'))
  assert.equal(runner.stats.skipped + other.runner.stats.skipped, 0)
})

test('members that come and go keep the order of each key', async () => {
  const seen: string[] = []
  const handle = binding(async (body) => {
    await sleep(1)
    seen.push(body)
  })
  const { send, transport, runner } = await rig([handle])
  await send(...Array.from({ length: 300 }, (_, i) => outgoing(`k${i % 10}`, `${i % 10}:${Math.floor(i / 10)}`)))
  const second = await rig([handle], {}, 100, transport)
  await sleep(20)
  await runner.stop({ deadlineMs: 1_000 })
  await rig([handle], {}, 100, transport)
  await until('all settled', async () => (await status(transport))?.backlog === 0, 10_000)
  await second.runner.stop({ deadlineMs: 1_000 })
  assert.equal(seen.length, 300)
  for (let key = 0; key < 10; key++) {
    const mine = seen.filter((body) => body.startsWith(`${key}:`)).map((body) => Number(body.split(':')[1]))
    assert.deepEqual(
      mine,
      Array.from({ length: 30 }, (_, i) => i),
    )
  }
})

test('a newer version is held for a bounded time, then dead-lettered; or at once where asked for', async () => {
  const newer = binding(() => undefined, {
    prepare: () => {
      throw new SluiceError('NEWER_VERSION', 'version 2 is newer than 1')
    },
  })
  const held = await rig([newer], { newerVersionHoldMs: 60_000 })
  await held.send(outgoing('a', '1'))
  await until('held', () => held.runner.stats.retried === 1)
  assert.equal(held.runner.stats.deadLettered, 0)
  for (const more of [{ newerVersionHoldMs: 0 }, { onNewerVersion: 'dead-letter' as const }]) {
    const { send, transport } = await rig([newer], more)
    await send(outgoing('a', '1'))
    await until('stored', async () => (await transport.admin.deadLetters('c', 'g', {}))[0]?.reason.code === 'NEWER_VERSION')
  }
})

test('what cannot be decoded is dead-lettered at once, synchronously or not', async () => {
  for (const asynchronous of [false, true]) {
    const { send, transport, runner } = await rig([
      binding(() => assert.fail('must not be called'), {
        prepare: () => {
          const error = new SluiceError('UNDECODABLE', 'not JSON')
          if (asynchronous) return Promise.reject(error)
          throw error
        },
      }),
    ])
    await send(outgoing('a', '{'))
    await until('stored', async () => (await transport.admin.deadLetters('c', 'g', {}))[0]?.reason.code === 'UNDECODABLE')
    assert.equal(runner.stats.retried, 0)
    assert.equal((await transport.admin.deadLetters('c', 'g', {}))[0]?.reason.attempts, 0)
  }
})

test('an asynchronous schema keeps the order of a key, in batches too', async () => {
  for (const batch of [undefined, { size: 5, waitMs: 0, perLane: 'many' as const }]) {
    const seen: string[] = []
    const { send } = await rig([
      binding(() => undefined, {
        batch,
        prepare: async (delivery) => {
          await sleep(Math.random() * 3)
          return delivery.envelope.body
        },
        run: (entries) => {
          for (const entry of entries) seen.push(String(entry.prepared))
          return undefined
        },
      }),
    ])
    const bodies = Array.from({ length: 20 }, (_, i) => `a${i}`)
    await send(...bodies.map((body) => outgoing('a', body)))
    await until('all handled', () => seen.length === 20)
    assert.deepEqual(seen, bodies)
  }
})

test('giving up is told before the dead letter is stored, and its failure changes nothing', async () => {
  const told: string[] = []
  const { send, transport, reports } = await rig([
    binding(
      () => {
        throw new Reject('no')
      },
      {
        gaveUp: async (delivery, reason) => {
          assert.equal((await transport.admin.deadLetters('c', 'g', {})).length, 0)
          told.push(`${String(delivery.envelope.body)} ${reason.code}`)
          throw new Error('nobody listens')
        },
      },
    ),
  ])
  await send(outgoing('a', '1'))
  await until('stored', async () => (await transport.admin.deadLetters('c', 'g', {})).length === 1)
  assert.deepEqual(told, ['1 REJECTED'])
  assert.ok(reports.some((report) => report.includes('nobody listens')))
})

test('a group that stands still although messages wait is reported as stalled, once', async () => {
  const { send, reports } = await rig([binding(() => new Promise<void>(() => undefined))], { concurrency: 1, stallMs: 40 })
  await send(outgoing('a', '1'), outgoing('b', '2'))
  await until('reported', () => reports.some((report) => report.startsWith('stall:')))
  await sleep(80)
  assert.equal(reports.filter((report) => report.startsWith('stall:')).length, 1)
})

test('a long handler with nothing behind it is no stall', async () => {
  const { send, reports, runner } = await rig([binding(() => sleep(150))], { concurrency: 2, stallMs: 40 })
  await send(outgoing('a', '1'))
  await until('handled', () => runner.stats.processed === 1)
  assert.deepEqual(reports, [])
})

test('a message that kills its process ends as a dead letter', async () => {
  let runs = 0
  const hang = binding(
    () => {
      runs++
      return new Promise<void>(() => undefined)
    },
    { retry: retryPolicy({ attempts: 3 }) },
  )
  const name = 'memory:poison'
  const connect = (instanceId: string) => memoryTransport.open(name, { clock: systemClock, service: 'test', instanceId, report() {}, options: {} })
  const watcher = await connect('watcher')
  await watcher.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [{ channel: 'c', group: 'g', from: 'start', order: 'key', ephemeral: false }] })
  await watcher.send([outgoing('a', 'poison')])
  for (let death = 1; death <= 4; death++) {
    const transport = await connect(`victim${death}`)
    await rig([hang], {}, 100, transport)
    await until(`run ${death}`, () => runs === death, 10_000)
    transport.crash()
  }
  const survivor = await rig([hang], {}, 100, await connect('survivor'))
  await until('dead letter', async () => (await watcher.admin.deadLetters('c', 'g', {}))[0]?.reason.attempts === 3, 10_000)
  assert.equal(runs, 4)
  assert.equal(survivor.runner.stats.deadLettered, 1)
  assert.match((await watcher.admin.deadLetters('c', 'g', {}))[0]?.reason.message ?? '', /its process died during attempt 3/)
})

test('a filter that throws costs nobody his message', async () => {
  const seen: string[] = []
  const { send, reports } = await rig([
    binding((body) => void seen.push(body), {
      accepts: (delivery) => {
        if (delivery.envelope.body === 'odd') throw new Error('odd one')
        return true
      },
    }),
  ])
  await send(outgoing('a', 'odd'), outgoing('b', 'even'))
  await until('both handled', () => seen.length === 2)
  assert.ok(reports.some((report) => report.includes('odd one')))
})

test('synchronous handlers give the event loop back: timers run while a backlog is handled', async () => {
  let handled = 0
  const { send } = await rig(
    [
      binding(() => {
        const endMs = performance.now() + 0.5
        while (performance.now() < endMs);
        handled++
        return undefined
      }),
    ],
    {},
    1_000,
  )
  let ticks = 0
  const timer = setInterval(() => void ticks++, 1)
  await send(...Array.from({ length: 400 }, (_, i) => outgoing(`k${i}`, String(i))))
  let ticksBetween = 0
  await until('all handled', () => {
    if (handled > 0 && handled < 400) ticksBetween = ticks
    return handled === 400
  })
  clearInterval(timer)
  // 200 ms of work in slices of 5 ms.
  assert.ok(ticksBetween >= 5, `timers ran ${ticksBetween} times`)
})

test('a transport that cannot settle any more does not hold up a stop', async () => {
  const { runner, reports } = await rigWith((consumer) => {
    consumer.flush = () => new Promise(() => undefined)
    consumer.close = () => Promise.reject(new Error('disk full'))
  })
  const begun = performance.now()
  await runner.stop({ deadlineMs: 10 })
  assert.ok(performance.now() - begun < 2_500)
  assert.equal(reports.length, 2, reports.join('; '))
})

test('each step is told to who listens', async () => {
  const names = [
    'sluice:receive',
    'sluice:process:start',
    'sluice:process',
    'sluice:settle',
    'sluice:retry',
    'sluice:dead-letter',
    'sluice:skip',
    'sluice:hand-over',
  ]
  const events: { name: string; message: unknown }[] = []
  const listeners = names.map((name) => {
    const listener = (message: unknown): void => void events.push({ name, message })
    subscribe(name, listener)
    return { name, listener }
  })
  const { send, transport, runner } = await rig([
    binding(
      (body) => {
        if (body === 'bad') throw new Error('bad')
        return undefined
      },
      { retry: retryPolicy({ attempts: 2, minDelayMs: 1, maxDelayMs: 1 }) },
    ),
  ])
  await send(outgoing('a', 'good'), outgoing('b', 'bad'), outgoing('c', 'other', { type: 'other' }))
  await until('settled', async () => runner.stats.deadLettered === 1 && (await status(transport))?.backlog === 0)
  for (const { name, listener } of listeners) unsubscribe(name, listener)
  const mine = events.filter((event) => (event.message as { group: string }).group === 'g')
  for (const name of names)
    assert.ok(
      mine.some((event) => event.name === name),
      `${name} was not told`,
    )
  const outcomes = mine.filter((event) => event.name === 'sluice:process').flatMap((event) => (event.message as { outcomes: string[] }).outcomes)
  assert.deepEqual(outcomes.toSorted(), ['accept', 'dead-letter', 'retry'])
})
