import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { command, event, typed } from '../../contract/index.ts'
import { createTestKit } from '../../testing/index.ts'
import { connect } from '../connect/connect.ts'

const Placed = event('shop.order.placed', typed<{ orderId: string }>(), { key: (order) => order.orderId })
const Ship = command('shop.ship', typed<{ orderId: string }>())
const core = new URL('../../index.ts', import.meta.url).href

/** Runs a program that imports the library as `sluice`, in a process of its own. */
async function runProgram(text: string): Promise<string> {
  const program = `import { connect, event, typed } from ${JSON.stringify(core)}\nconst E = event('a.b', typed())\n${text}`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], { timeout: 20_000 })
  return stdout
}

test('publishing works from connect on; start only begins consuming, and is idempotent', async () => {
  await using kit = await createTestKit()
  kit.bus.on(Placed, () => {})
  await kit.bus.publish(Placed, { orderId: 'A' })
  await kit.drained()
  assert.equal(kit.handled().length, 0)
  await Promise.all([kit.bus.start(), kit.bus.start()])
  await kit.bus.start()
  await kit.drained()
  assert.equal(kit.handled().length, 1)
})

test('stop lets handlers finish, also with what they publish, and gives the rest back at once', async () => {
  const bus = await connect({ service: 'a', url: 'memory:stop-test', logger: false })
  const other = await connect({ service: 'a', url: 'memory:stop-test', logger: false })
  const got: string[] = []
  let started: (() => void) | undefined
  const running = new Promise<void>((resolve) => {
    started = resolve
  })
  bus.on(
    Placed,
    async ({ orderId }) => {
      started?.()
      await new Promise((resolve) => setTimeout(resolve, 30))
      got.push(orderId)
      await bus.send(Ship, { orderId })
    },
    { concurrency: 1, order: 'channel' },
  )
  await bus.start()
  for (const orderId of ['A', 'B', 'C']) await bus.publish(Placed, { orderId })
  await running
  const report = await bus.stop({ deadlineMs: 5_000 })
  assert.deepEqual(got, ['A'])
  assert.equal(report.finished, 1)
  other.on(
    Placed,
    ({ orderId }) => {
      got.push(`other ${orderId}`)
    },
    { order: 'channel' },
  )
  other.handle(Ship, ({ orderId }) => {
    got.push(`ship ${orderId}`)
  })
  await other.start()
  for (let i = 0; i < 200 && got.length < 4; i++) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.deepEqual(got.slice(1).sort(), ['other B', 'other C', 'ship A'])
  await other.stop()
})

test('a handler that does not end: its signal aborts at the deadline, its message is released', async () => {
  const bus = await connect({ service: 'a', url: 'memory:deadline-test', logger: false })
  const other = await connect({ service: 'b', url: 'memory:deadline-test', logger: false })
  let aborted = false
  bus.on(Placed, (_, { signal }) => {
    signal.addEventListener('abort', () => {
      aborted = true
    })
    return new Promise(() => {})
  })
  await bus.start()
  await bus.publish(Placed, { orderId: 'A' })
  await new Promise((resolve) => setTimeout(resolve, 20))
  const report = await bus.stop({ deadlineMs: 50 })
  assert.deepEqual([aborted, report.finished, report.released], [true, 0, 1])
  assert.deepEqual(
    (await other.inspect()).map((row) => [row.group, row.backlog, row.inFlight, row.consumers]),
    [['a', 1, 0, 0]],
  )
  await other.stop()
})

test('after stop everything rejects with BUS_STOPPED; stop is idempotent; await using stops', async () => {
  const kit = await createTestKit()
  await kit.bus.start()
  const [one, two] = await Promise.all([kit.bus.stop(), kit.bus.stop()])
  assert.deepEqual(one, two)
  await assert.rejects(kit.bus.publish(Placed, { orderId: 'A' }), { code: 'BUS_STOPPED' })
  await assert.rejects(kit.bus.send(Ship, { orderId: 'A' }), { code: 'BUS_STOPPED' })
  await assert.rejects(kit.bus.start(), { code: 'BUS_STOPPED' })
  await assert.rejects(kit.bus.cancel(Placed, 'x'), { code: 'BUS_STOPPED' })
  assert.throws(() => kit.bus.on(Placed, () => {}), { code: 'BUS_STOPPED' })
  await kit.stop()
  let disposed: Awaited<ReturnType<typeof connect>>
  {
    await using bus = await connect({ service: 'a', url: 'memory:', logger: false })
    disposed = bus
  }
  await assert.rejects(disposed.publish(Placed, { orderId: 'A' }), { code: 'BUS_STOPPED' })
})

test('a start that failed can be repeated once it is mended', async () => {
  await using kit = await createTestKit()
  const handle = kit.bus.on(Placed, () => {}, { concurrencyScope: 'group' })
  const other = kit.bus.on(Placed, () => {}, { group: 'x' })
  await kit.bus.start()
  await Promise.all([handle.ready, other.ready])
})

test('a process whose bus consumes stays alive until stop; one that only published ends', async () => {
  const consuming =
    "const bus = await connect({ service: 's', url: 'memory:', logger: false }); bus.on(E, () => { console.log('got'); bus.stop().then(() => console.log('end')) }); await bus.start()\nsetTimeout(() => bus.publish(E, 1), 100).unref()\n"
  // Nothing else holds the process: without the bus's own hold the unreferenced timer would never fire.
  assert.equal(await runProgram(consuming), 'got\nend\n')
  assert.equal(
    await runProgram("const bus = await connect({ service: 's', url: 'memory:', logger: false }); console.log((await bus.publish(E, 1)).duplicate)\n"),
    'false\n',
  )
})

test('explain says what each route promises, in structure and in words', async () => {
  await using kit = await createTestKit({ service: 'inventory' })
  kit.bus.on(Placed, () => {}, { onDeadLetter: 'park' })
  await kit.bus.send(Ship, { orderId: 'A' })
  const explanation = kit.bus.explain()
  assert.deepEqual(
    explanation.routes.map((route) => [route.channel, route.group]),
    [
      ['shop.order', 'inventory'],
      ['shop.ship', undefined],
    ],
  )
  const park = explanation.routes[0]?.promises.find((promise) => promise.subject === 'dead-letter')
  assert.deepEqual([park?.level, park?.facts], ['weaker', ['parkingLot']])
  assert.match(String(explanation), /inventory over memory/)
  assert.match(String(explanation), /parked behind it, in order/)
})
