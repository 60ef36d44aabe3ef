import assert from 'node:assert/strict'
import { test } from 'node:test'
import { command, event, request, typed } from '../../contract/index.ts'
import { isSluiceError } from '../../errors/index.ts'
import { createTestKit } from '../../testing/index.ts'
import type { Bus } from '../bus/api.ts'
import { connect } from '../connect/connect.ts'

const Placed = event('shop.placed', typed<{ id: string }>())
const Ship = command('shop.ship', typed<{ id: string }>())
const Quote = request('shop.quote', typed<{ id: string }>(), { reply: typed<{ price: number }>() })
const data = { id: '1' }

/** The bus as JavaScript sees it: nothing is typed. */
type Untyped = Readonly<Record<string, (...args: unknown[]) => unknown>>
const untyped = (bus: Bus): Untyped => bus as unknown as Untyped
const untypedConnect = connect as unknown as (options: unknown) => Promise<Bus>

/** Fails unless the call throws, or rejects with, INVALID_OPTION that has a fix and these words. */
async function refused(call: () => unknown, ...words: readonly string[]): Promise<void> {
  try {
    await call()
  } catch (error) {
    assert.ok(isSluiceError(error, 'INVALID_OPTION'), `${words.join(' ')}: ${String(error)}`)
    for (const word of words) assert.ok(error.message.includes(word), `${word} is not in: ${error.message}`)
    return
  }
  assert.fail(`nothing was refused: ${words.join(' ')}`)
}

test('a misspelt option is refused everywhere, and the known ones are named', async () => {
  await using kit = await createTestKit({ service: 'shop' })
  const bus = untyped(kit.bus)
  const handler = (): void => {}
  await refused(() => bus.publish?.(Placed, data, { dealyMs: 5_000 }), 'publish has no option "dealyMs"', 'delayMs')
  await refused(() => bus.publish?.(Placed, data, { deduplicate: { key: 'a', windowsMs: 1 } }), 'deduplicate has no option "windowsMs"', 'windowMs')
  await refused(() => bus.send?.(Ship, data, { prio: 1 }), 'send has no option "prio"', 'priority')
  await refused(() => bus.publishMany?.(Placed, [{ data }], { timeout: 1 }), 'publishMany has no option "timeout"', 'timeoutMs')
  await refused(() => bus.publishMany?.(Placed, [{ data }, { data, kye: 'a' }]), 'entry 1', '"kye"', 'nothing was sent')
  await refused(() => bus.request?.(Quote, data, { delayMs: 1 }), 'request has no option "delayMs"')
  await refused(() => bus.on?.(Placed, handler, { concurency: 4 }), 'on has no option "concurency"', 'concurrency')
  await refused(() => bus.on?.(Placed, handler, { retry: { attemps: 3 } }), 'retry has no option "attemps"', 'attempts')
  await refused(() => bus.on?.(Placed, handler, { batch: { size: 3, waitMS: 3 } }), 'batch has no option "waitMS"')
  await refused(() => bus.on?.(Placed, handler, { killSwitch: { open: 3 } }), 'killSwitch has no option "open"')
  await refused(() => bus.on?.(Placed, handler, { rateLimit: { messages: 3, perMs: 3 } }), 'rateLimit has no option "perMs"')
  await refused(() => bus.handle?.(Ship, handler, { concurency: 4 }), 'handle has no option "concurency"')
  await refused(() => bus.deadLetters?.(Placed, { grup: 'a' }), 'deadLetters has no option "grup"', 'group')
  await refused(() => bus.pause?.(Placed, { grup: 'a' }), 'pause has no option "grup"')
  await refused(() => bus.replay?.(Placed, { since: 1 }), 'replay has no option "since"', 'from')
  await refused(() => kit.bus.groups.remove('shop', { chanel: 'a' } as object), 'groups.remove has no option "chanel"')
  await refused(() => bus.schedule?.('a', '* * * * *', Ship, data, { zone: 'UTC' }), 'schedule has no option "zone"', 'timeZone')
  await refused(() => bus.stop?.({ deadline: 1 }), 'stop has no option "deadline"')
  await refused(() => untypedConnect({ servise: 'a' }), 'connect has no option "servise"', 'service')
  await refused(() => untypedConnect({ service: 'a', url: 'memory:', limits: { nope: 1 } }), 'limits has no option "nope"')
  await refused(() => untypedConnect({ service: 'a', url: 'memory:', retry: { tries: 1 } }), 'retry has no option "tries"')
  assert.deepEqual(await kit.bus.inspect(), [], 'nothing was sent, so no channel exists')
})

test('a wrong shape is refused with what it should be', async () => {
  await using kit = await createTestKit({ service: 'shop' })
  const bus = untyped(kit.bus)
  const handler = (): void => {}
  await refused(() => untypedConnect(null), 'not an object but null')
  for (const logger of [true, {}, { info() {} }]) await refused(() => untypedConnect({ service: 'a', url: 'memory:', logger }), 'logger has no method')
  await refused(() => untypedConnect({ service: 'a', url: 'memory:', compression: { encoding: 'lzma' } }), 'compression.encoding', 'gzip')
  await refused(() => untypedConnect({ service: 'a', url: 'memory:', routes: { 'a..b': 'memory:' } }), 'not a pattern')
  await refused(() => bus.publish?.(null, data), 'contract')
  await refused(() => bus.publish?.(Placed, data, null), 'not an object but null')
  await refused(() => bus.publish?.(Placed, data, { headers: null }), 'headers')
  await refused(() => bus.publish?.(Placed, data, { signal: 5 }), 'signal', 'AbortSignal')
  await refused(() => bus.publish?.(Placed, data, { tags: 'x' }), 'tags is not a list')
  await refused(() => bus.publish?.(Placed, data, { tags: Array.from({ length: 40 }, (_, index) => `t${index}`) }), 'at most 32')
  await assert.rejects(async () => bus.publish?.(Placed, data, { tags: ['a b'] }), { code: 'INVALID_NAME' })
  await refused(() => bus.publish?.(Placed, data, { deduplicate: {} }), 'deduplicate.key')
  await refused(() => bus.publishMany?.(Placed, data), 'not a list')
  await refused(() => bus.publishMany?.(Placed, [null]), 'entry 0')
  await refused(() => bus.publishMany?.(Placed, [{}]), 'entry 0', 'no data')
  await refused(() => bus.request?.(Ship, data), 'kind command', 'Use send')
  await refused(() => bus.request?.(Placed, data), 'kind event', 'Use publish')
  await refused(() => bus.replay?.(Ship), 'kind command', 'only events')
  await refused(() => bus.handle?.(Quote, handler, { batch: { size: 3 } }), 'one by one')
  await refused(() => bus.on?.(Placed, null), 'handler function')
  await refused(() => bus.on?.(null, handler), 'contract')
  await refused(() => bus.on?.(Placed, handler, null), 'not an object but null')
  await refused(() => bus.on?.(Placed, handler, { filter: 'x' }), 'filter')
  await refused(() => bus.on?.(Placed, handler, { broadcast: 'yes' }), 'broadcast')
  await refused(() => bus.on?.(Placed, handler, { killSwitch: true }), 'killSwitch')
  for (const middleware of [null, { foo: 1 }, { send: 1 }]) await refused(() => bus.use?.(middleware), 'middleware')
  assert.equal((await kit.bus.publish(Placed, data)).duplicate, false)
})

test('what is asked of a stopped bus is BUS_STOPPED', async () => {
  const bus = await connect({ service: 'shop', url: 'memory:stopped', logger: false })
  await bus.stop()
  await assert.rejects(bus.inspect(), { code: 'BUS_STOPPED' })
  await assert.rejects(bus.groups.list(), { code: 'BUS_STOPPED' })
  await assert.rejects(bus.groups.remove('shop'), { code: 'BUS_STOPPED' })
})
