/** `redis+pubsub:`: broadcast to who is connected; everything else is refused and Streams are named. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { Rig } from '@sluice/conformance'
import { type Bus, type ConnectOptions, command, connect, event, request, typed } from '@sluice/core'
import { newId } from '@sluice/core/transport'
import { transport } from '@sluice/redis'
import { CloudEvent } from 'cloudevents'
import { createClient } from 'redis'

const server = process.env.SLUICE_TEST_REDIS_URL ?? ''
const Priced = event('shop.price.changed', typed<{ n: number; key: string }>(), { key: ({ key }) => key })
const Recount = command('shop.stock.recount', typed<{ n: number }>())
const Ask = request('shop.stock.ask', typed<{ n: number }>(), { reply: typed<number>() })

async function eventually(ask: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const until = performance.now() + 20_000
  while (!(await ask())) {
    assert.ok(performance.now() < until, `waited for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

describe('redis+pubsub', { concurrency: 1 }, () => {
  let plain: ReturnType<typeof createClient>
  const buses: Bus[] = []
  const said: string[] = []
  const unique = newId()
  const prefix = `pubsub-${unique}:`
  const topic = `${prefix}{shop.price}`
  const logger: ConnectOptions['logger'] = {
    debug() {},
    info: (text) => void said.push(String(text)),
    warn: (text) => void said.push(String(text)),
    error: (text) => void said.push(String(text)),
  }
  const open = async (service: string): Promise<Bus> => {
    const bus = await connect({
      service: `${unique}-${service}`,
      url: `${server.replace('redis:', 'redis+pubsub:')}?prefix=${prefix}`,
      transports: [transport],
      logger,
    })
    buses.push(bus)
    return bus
  }
  before(async () => {
    plain = createClient({ url: server })
    await plain.connect()
  })
  after(async () => {
    for (const bus of buses) await bus.stop()
    plain.destroy()
  })

  test('every instance that listens hears it, in the order of the key; explain says at most once', async () => {
    const sender = await open('price')
    const heard: number[][] = [[], []]
    for (const list of heard) {
      const bus = await open('shelf')
      bus.on(Priced, ({ n }) => void list.push(n), { broadcast: true, concurrency: 4 })
      await bus.start()
      assert.match(String(bus.explain()), /- delivery: At most once/)
      assert.equal((await bus.inspect()).length, 1)
    }
    const numbers = Array.from({ length: 200 }, (_, n) => n)
    await Promise.all(numbers.map((n) => sender.publish(Priced, { n, key: 'k' })))
    await eventually(() => heard.every((list) => list.length === 200), 'both to hear all')
    assert.deepEqual(heard, [numbers, numbers])
  })

  test('a group that wants every message, commands and requests are refused', async () => {
    const bus = await open('stock')
    bus.on(Priced, () => {})
    await assert.rejects(bus.start(), { code: 'GUARANTEE_UNAVAILABLE', message: /keeps no message for anybody.*Streams/s })
    const commander = await open('commander')
    await assert.rejects(commander.send(Recount, { n: 1 }), { code: 'UNSUPPORTED', message: /Streams/ })
    await assert.rejects(commander.request(Ask, { n: 1 }), { code: 'UNSUPPORTED', message: /Streams/ })
  })

  test('plain clients hear CloudEvents and are heard; what is none is said', async (t) => {
    const listener = plain.duplicate()
    t.after(() => listener.destroy())
    await listener.connect()
    const texts: string[] = []
    await listener.subscribe(topic, (text) => void texts.push(text))
    const bus = await open('shelf')
    const heard: unknown[] = []
    bus.on(Priced, (data) => void heard.push(data), { broadcast: true })
    await bus.start()
    await bus.publish(Priced, { n: 1, key: 'größe' }, { id: 'ours', headers: { h: 'v' } })
    await eventually(() => texts.length === 1, 'a plain client to hear')
    const seen = new CloudEvent(JSON.parse(texts[0] ?? ''))
    assert.deepEqual([seen.id, seen.type, seen.partitionkey, seen.data], ['ours', 'shop.price.changed', 'größe', { n: 1, key: 'größe' }])
    said.length = 0
    await plain.publish(topic, 'nonsense')
    await plain.publish(topic, new CloudEvent({ id: 'theirs', type: 'shop.price.changed', source: 'cli', data: { n: 2, key: 'a' } }, true).toString())
    await eventually(() => heard.length === 2, 'what a plain client published')
    assert.deepEqual(heard, [
      { n: 1, key: 'größe' },
      { n: 2, key: 'a' },
    ])
    assert.ok(said.some((text) => text.includes('is no CloudEvent in JSON')))
  })

  test('connections that are killed come back, and what is published then is heard; what was given up is said', async () => {
    const [sender, bus] = [await open('price'), await open('shelf')]
    const heard: number[] = []
    bus.on(
      Priced,
      ({ n }) => {
        heard.push(n)
        if (n === 99) throw new Error('no')
      },
      { broadcast: true, retry: { attempts: 2, minDelayMs: 1, maxDelayMs: 2 } },
    )
    await bus.start()
    said.length = 0
    // Ours only: other test files use this server, too.
    const clients = String(await plain.sendCommand(['CLIENT', 'LIST'])).split('\n')
    const ours = clients.filter((line) => line.includes(` name=sluice:${unique}-`)).map((line) => /^id=(\d+)/.exec(line)?.[1] ?? '')
    assert.ok(ours.length >= 4)
    for (const id of ours) await plain.sendCommand(['CLIENT', 'KILL', 'ID', id])
    await eventually(() => said.some((text) => text.includes('what was published meanwhile is gone')), 'the subscriber to be back')
    for (let n = 0; heard.length === 0; n++) {
      await sender.publish(Priced, { n, key: 'k' }).catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    await sender.publish(Priced, { n: 99, key: 'k' })
    await eventually(() => said.some((text) => text.includes('was given up and is gone')), 'word of the loss')
    assert.equal(heard.filter((n) => n === 99).length, 2)
  })

  test('nothing is left behind when it closes', async () => {
    const rig = new Rig({ factory: transport, url: `${server.replace('redis:', 'redis+pubsub:')}?prefix=${prefix}x:` })
    const opened = await rig.open()
    const probe = await rig.join(opened, { ephemeral: true, from: 'end' })
    assert.deepEqual(await plain.pubSubChannels(`${prefix}x:*`), [`${prefix}x:{c}`])
    const pending = probe.receive()
    await rig.close()
    assert.deepEqual(await pending, [])
    await eventually(async () => (await plain.pubSubChannels(`${prefix}x:*`)).length === 0, 'the subscription to be gone')
    await assert.rejects(opened.send([]), { code: 'TRANSPORT_CLOSED' })
  })
})
