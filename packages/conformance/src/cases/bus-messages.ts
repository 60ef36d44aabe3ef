import assert from 'node:assert/strict'
import { type Bus, type EventContract, event, type StandardSchema, typed } from '@sluice/core'
import { newId, type OutgoingMessage, type SendFailure, type SendOptions, type SendReport, SluiceError, type Transport } from '@sluice/core/transport'
import { tamper } from '../chaos/index.ts'
import { Handled } from '../probe/handled.ts'
import { eventually } from '../probe/probe.ts'
import type { Subject } from '../suite/case.ts'
import { message } from '../suite/rig.ts'
import { type Item, items, orderChannel, Paid, Placed, Ship } from './contracts.ts'

/** Accepts `{ n: number }` only. */
const strict: StandardSchema<{ n: number }> = {
  '~standard': {
    version: 1,
    vendor: 'conformance',
    validate: (value) =>
      typeof value === 'object' && value !== null && 'n' in value && typeof value.n === 'number'
        ? { value: { n: value.n } }
        : { issues: [{ message: 'n is no number' }] },
  },
}

/** What becomes of messages on their way from one bus to another. */
export const busMessages: Subject = {
  name: 'messages',
  cases: [
    {
      name: 'data, attributes and headers arrive: Unicode, empty, nested, large',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const Any = event('shop.any.thing', typed<unknown>())
        const got: unknown[] = []
        const headers: unknown[] = []
        b.on(Any, (data, context) => {
          got.push(data)
          headers.push({ ...context.message.headers })
        })
        await b.start()
        const sent = ['', '🧵 ünï\u0000\u2028', 0, false, null, [], {}, { deep: [{ a: [1, 2, { b: null }] }] }, 'x'.repeat(900_000)]
        for (const data of sent) await a.publish(Any, data, { headers: { 'X-Name': 'ü' }, subject: 's', tags: ['red'] })
        await eventually(
          async () => got.length,
          (n) => n === sent.length,
          'all of them',
        )
        assert.deepEqual(got.map((data) => JSON.stringify(data)).toSorted(), sent.map((data) => JSON.stringify(data)).toSorted())
        assert.deepEqual(headers[0], { 'x-name': 'ü' })
      },
    },
    {
      name: 'bytes stay bytes',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const Bytes = event('shop.bytes.sent', typed<Uint8Array>())
        const got: Uint8Array[] = []
        b.on(Bytes, (data) => void got.push(data))
        await b.start()
        await a.publish(Bytes, new Uint8Array([0, 1, 255, 128]))
        await eventually(
          async () => got.length,
          (n) => n === 1,
          'it to arrive',
        )
        assert.deepEqual([...(got[0] as Uint8Array)], [0, 1, 255, 128])
      },
    },
    {
      name: 'compression above a threshold, read by a bus that compresses nothing',
      async run(rig) {
        const b = await rig.bus('stock')
        const handled = new Handled()
        b.on(Placed, (data, context) => handled.note(data, context))
        await b.start()
        for (const encoding of ['gzip', 'br', 'zstd'] as const) {
          const a = await rig.bus('order', { compression: { encoding, thresholdBytes: 100 } })
          await a.publish(Placed, { n: 1, text: 'x'.repeat(50_000) })
          await a.publish(Placed, { n: 2, text: 'short' })
        }
        await handled.until(6)
        const transport = await rig.open()
        // Where a queue is all there is, nobody can look into it.
        const page = transport.facts.replay ? (await transport.admin.browse(orderChannel, { limit: 10 })).messages : undefined
        if (page !== undefined)
          assert.deepEqual(
            page.map((envelope) => envelope.datacontentencoding),
            ['gzip', undefined, 'br', undefined, 'zstd', undefined],
          )
        assert.ok(page?.every((envelope) => envelope.body.length < 1_000) ?? true)
        assert.ok(handled.all.every((each) => ['x'.repeat(50_000), 'short'].includes((each.data as Item).text ?? '')))
      },
    },
    {
      name: 'oversize, cyclic and what JSON cannot carry: refused before sending, typed, nothing stored',
      async run(rig) {
        const a = await rig.bus('order')
        const Any = event('shop.any.thing', typed<unknown>())
        const cycle: { self?: unknown } = {}
        cycle.self = cycle
        await assert.rejects(a.publish(Any, 'x'.repeat(1_100_000)), { code: 'MESSAGE_TOO_LARGE' })
        for (const data of [cycle, 1n, [undefined], { d: Number.NaN }, () => 1]) await assert.rejects(a.publish(Any, data), { code: 'NOT_SERIALIZABLE' })
        await assert.rejects(a.publish(Any, 1, { headers: { bad: 'a\r\nb' } }), { code: 'INVALID_HEADER' })
        await assert.rejects(a.publish(event('shop.strict.sent', strict), { n: 'x' } as unknown as { n: number }), { code: 'VALIDATION_FAILED' })
        const stored = (await (await rig.open()).admin.channels()).reduce((sum, channel) => sum + channel.stored, 0)
        assert.equal(stored, 0)
      },
    },
    {
      name: 'a batch with one entry that is refused here: nothing of it is sent',
      async run(rig) {
        const a = await rig.bus('order')
        const big = { n: 1, key: 'a', text: 'x'.repeat(1_100_000) }
        await assert.rejects(a.publishMany(Placed, [{ data: { n: 0, key: 'a' } }, { data: big }, { data: { n: 2, key: 'b' } }]), { code: 'MESSAGE_TOO_LARGE' })
        const stored = (await (await rig.open()).admin.channels()).reduce((sum, channel) => sum + channel.stored, 0)
        assert.equal(stored, 0)
      },
    },
    {
      name: 'a batch with one entry that the transport refuses: the others are confirmed, and which is which is said',
      needs: (facts) => (facts.publishOrder === 'kept' ? undefined : 'it does not keep the order of sends by itself'),
      async run(rig) {
        const b = await rig.bus('stock')
        const handled = new Handled()
        b.on(Placed, (data, context) => handled.note(data, context))
        await b.start()
        const refusing = tamper(rig.place.factory, { transport: (sound) => ({ send: (batch, options) => refuseMarked(sound, batch, options) }) })
        const a = await rig.bus('order', { transports: [refusing] })
        const entries = [{ data: { n: 0, key: 'a' } }, { data: { n: 1, key: 'a', text: 'refuse' } }, { data: { n: 2, key: 'a' } }, { data: { n: 3, key: 'b' } }]
        const error: unknown = await a.publishMany(Placed, entries).then(
          () => undefined,
          (reason: unknown) => reason,
        )
        assert.ok(error instanceof Error && 'code' in error && 'details' in error)
        assert.equal(error.code, 'PUBLISH_PARTIAL')
        const told = (error.details as { entries: { state: string; error?: { code: string } }[] }).entries
        assert.deepEqual(
          told.map((entry) => [entry.state, entry.error?.code]),
          [
            ['confirmed', undefined],
            ['failed', 'MESSAGE_TOO_LARGE'],
            ['failed', 'NOT_SENT'],
            ['confirmed', undefined],
          ],
        )
        await handled.until(2)
        assert.deepEqual(handled.numbers().toSorted(), [0, 3])
      },
    },
    {
      name: 'several contracts of one channel: one lane a key, in the order they were sent',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const handled = new Handled()
        b.on([Placed, Paid], async (data, context) => {
          await new Promise((resolve) => setImmediate(resolve))
          handled.note(data, context)
        })
        await b.start()
        for (let n = 0; n < 60; n++) await a.publish(n % 2 === 0 ? Placed : Paid, { n, key: `k${n % 3}` })
        await handled.until(60)
        handled.assertOrder()
        assert.equal(new Set(handled.all.map((each) => each.type)).size, 2)
      },
    },
    {
      name: 'a type that the group does not handle is skipped, and does not hold up its lane',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const handled = new Handled()
        b.on(Placed, (data, context) => handled.note(data, context))
        await b.start()
        await a.publish(Placed, { n: 0, key: 'k' })
        await a.publish(Paid, { n: 1, key: 'k' })
        await a.publish(Placed, { n: 2, key: 'k' })
        await handled.until(2)
        await drained(b)
        assert.deepEqual(handled.numbers(), [0, 2])
      },
    },
    {
      name: 'a filter skips what a handler does not want',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const handled = new Handled()
        b.on(Placed, (data, context) => handled.note(data, context), { filter: (attributes) => attributes.tags?.includes('red') === true })
        await b.start()
        for (let n = 0; n < 10; n++) await a.publish(Placed, { n, key: 'k' }, { tags: [n % 2 === 0 ? 'red' : 'blue'] })
        await handled.until(5)
        await drained(b)
        assert.deepEqual(handled.numbers(), [0, 2, 4, 6, 8])
      },
    },
    {
      name: 'undecodable, foreign and invalid messages are dead-lettered at once, with the reason, untouched; the lane goes on',
      async run(rig) {
        const b = await rig.bus('stock')
        const Strict = event('shop.order.placed', strict)
        const got: number[] = []
        b.on(Strict, (data) => void got.push(data.n), { retry: { attempts: 5 } })
        await b.start()
        const transport = await rig.open()
        const foreign = [
          { body: '{"n": 1' },
          { body: new Uint8Array([0xff, 0xfe, 0]) },
          { body: '{"n":"x"}' },
          { body: '{"n":1}', envelope: { datacontenttype: 'application/x-unknown' } },
          { body: 'xx', envelope: { datacontentencoding: 'gzip' } },
          { body: '['.repeat(10_000) + ']'.repeat(10_000) },
          { body: '{"n":1}', envelope: { schemaversion: -1 } },
        ]
        const report = await transport.send([
          ...foreign.map((spec) => message({ ...spec, channel: orderChannel, type: 'shop.order.placed', key: 'k' })),
          message({ body: '{"n":7}', channel: orderChannel, type: 'shop.order.placed', key: 'k' }),
        ])
        assert.deepEqual(report.failures, [])
        await eventually(
          async () => got.at(-1),
          (n) => n === 7,
          'the sound one behind them',
        )
        const dead = await transport.admin.deadLetters(orderChannel, 'stock', {})
        const codes = dead.map((letter) => letter.reason.code)
        assert.deepEqual(codes.slice(0, 6), ['UNDECODABLE', 'UNDECODABLE', 'VALIDATION_FAILED', 'UNSUPPORTED_ENCODING', 'UNDECODABLE', 'MESSAGE_TOO_DEEP'])
        assert.equal(dead.length, 7)
        assert.ok(dead.every((letter) => letter.reason.attempts <= 1))
        assert.deepEqual(Buffer.from((dead[1] as (typeof dead)[number]).envelope.body), Buffer.from([0xff, 0xfe, 0]))
        assert.deepEqual(got, [7])
      },
    },
    {
      name: 'an older version is upcast, a newer one is held until the group is deployed, or dead-lettered',
      async run(rig) {
        const a = await rig.bus('order')
        const V1 = event('shop.order.placed', typed<{ total: number }>(), { key: () => 'k' })
        const V2: EventContract<{ cents: number }> = event('shop.order.placed', typed<{ cents: number }>(), {
          key: () => 'k',
          version: 2,
          upcast: { 1: (old: { total: number }) => ({ cents: old.total * 100 }) },
        })
        const old = await rig.bus('stock')
        const got: unknown[] = []
        old.on(V1, (data) => void got.push(data))
        const strictOne = await rig.bus('mail')
        strictOne.on(V1, () => {}, { onNewerVersion: 'dead-letter' })
        await Promise.all([old.start(), strictOne.start()])
        await a.publish(V1, { total: 1 })
        await eventually(
          async () => got.length,
          (n) => n === 1,
          'version 1',
        )
        const newer = await rig.bus('order')
        await newer.publish(V2, { cents: 250 })
        await eventually(
          () => strictOne.deadLetters(V1).list(),
          (list) => list.length === 1 && list[0]?.reason.code === 'NEWER_VERSION',
          'the newer one to be dead-lettered by mail',
        )
        assert.deepEqual([...got], [{ total: 1 }])
        await old.stop()
        const young = await rig.bus('stock')
        young.on(V2, (data) => void got.push(data))
        await young.start()
        await a.publish(V1, { total: 7 })
        await eventually(
          async () => got.length,
          (n) => n === 3,
          'all of them',
        )
        assert.deepEqual(got, [{ total: 1 }, { cents: 250 }, { cents: 700 }])
      },
    },
    {
      name: 'a type recorded by a newer member waits for it where an older one meets it, in order',
      async run(rig) {
        const [a, old, young] = [await rig.bus('order'), await rig.bus('stock'), await rig.bus('stock')]
        const handled = new Handled()
        old.on(Placed, (data, context) => handled.note(data, context))
        young.on([Placed, Paid], (data, context) => handled.note(data, context))
        await Promise.all([old.start(), young.start()])
        for (let n = 0; n < 80; n++) await a.publish(n % 4 === 3 ? Paid : Placed, { n, key: `k${n % 16}` })
        await handled.when(
          () => handled.firsts().length === 80,
          () => `${handled.firsts().length} of 80 were handled`,
        )
        handled.assertOrder()
        await drained(young)
      },
    },
    {
      name: 'a command goes to one of its group; one that nobody handles yet waits; an unknown type there is dead-lettered',
      async run(rig) {
        const [a, one, two] = [await rig.bus('order'), await rig.bus('ship'), await rig.bus('ship')]
        for (let n = 0; n < 10; n++) await a.send(Ship, { n })
        const [waiting] = await a.inspect()
        assert.deepEqual([waiting?.group, waiting?.backlog], ['shop.ship', 10])
        const handled = new Handled()
        for (const bus of [one, two]) bus.handle(Ship, (data, context) => handled.note(data, context))
        await Promise.all([one.start(), two.start()])
        for (let n = 10; n < 20; n++) await a.send(Ship, { n })
        await handled.until(20)
        await drained(a)
        assert.equal(handled.count, 20)
        const transport = await rig.open()
        await transport.send([message({ channel: 'shop.ship', type: 'shop.unknown' })])
        await eventually(
          () => transport.admin.deadLetters('shop.ship', 'shop.ship', {}),
          (list) => list.length === 1 && list[0]?.reason.code === 'UNKNOWN_TYPE',
          'the unknown type to be dead-lettered',
        )
      },
    },
    {
      name: 'a handler writes into its bytes and headers: no other group, no next attempt and no dead letter has that',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const Scanned = event('shop.label.scanned', typed<Uint8Array>())
        const whole = { bytes: [1, 2, 3], headers: { tenant: 'T1' } }
        const seen: unknown[] = []
        const handle = (by: string) => (data: Uint8Array, context: { readonly message: { readonly headers: object } }) => {
          seen.push({ bytes: [...data], headers: { ...context.message.headers } })
          data.fill(0)
          // As JavaScript may, whatever the types say.
          Object.assign(context.message.headers, { tenant: by })
          if (by === 'stock') throw new Error('no')
        }
        b.on(Scanned, handle('stock'), { retry: { attempts: 2, minDelayMs: 1, maxDelayMs: 5 } })
        b.on(Scanned, handle('archive'), { group: 'archive' })
        await b.start()
        const buffer = Uint8Array.from(whole.bytes)
        const published = a.publish(Scanned, buffer, { headers: whole.headers })
        buffer.fill(9)
        await published
        const [letter] = await eventually(
          () => b.deadLetters(Scanned).list(),
          (list) => list.length === 1 && seen.length === 3,
          'both groups to be done with it',
        )
        assert.ok(letter)
        seen.push({ bytes: [...(letter.data as Uint8Array)], headers: letter.message.headers })
        assert.deepEqual(seen, [whole, whole, whole, whole])
      },
    },
    {
      name: 'expired: not handled, not dead-lettered, gone',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        await a.publish(Placed, { n: 0, key: 'k' }, { expiresInMs: 20 })
        await a.publish(Placed, { n: 1, key: 'k' }, { expiresInMs: 600_000 })
        await eventually(
          async () => rig.clock.nowMs(),
          (
            (startMs) => (nowMs: number) =>
              nowMs > startMs + 30
          )(rig.clock.nowMs()),
          'it to expire',
        )
        const handled = new Handled()
        b.on(Placed, (data, context) => handled.note(data, context))
        await b.start()
        await handled.until(1)
        await drained(b)
        assert.deepEqual(handled.numbers(), [1])
        assert.equal((await b.deadLetters(Placed).list()).length, 0)
      },
    },
    {
      name: 'delay, cancel and schedule through the bus',
      needs: (facts) => (facts.delayedSend.delayMsMax >= 60_000 ? undefined : 'it cannot send with a delay'),
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('ship')]
        const handled = new Handled()
        b.handle(Ship, (data, context) => handled.note(data, context))
        await b.start()
        // Long: a machine that stands still for the time of its delay must not have handled it before it is cancelled.
        const gone = await a.send(Ship, { n: 1 }, { delayMs: 60_000 })
        assert.deepEqual([await a.cancel(Ship, gone.id), await a.cancel(Ship, gone.id)], [true, false])
        const startMs = performance.now()
        await a.send(Ship, { n: 2 }, { delayMs: 150 })
        await a.send(Ship, { n: 3 })
        await handled.until(2)
        assert.deepEqual(handled.numbers().sort(), [2, 3])
        const later = handled.all.find(({ data }) => (data as { readonly n: number }).n === 2)
        assert.ok((later?.startedAtMs ?? 0) - startMs >= 149)
      },
    },
    {
      name: 'the same id under deduplicate is stored once, and says so',
      needs: (facts) => (facts.deduplicationMsMax > 0 ? undefined : 'there is no deduplication window'),
      async run(rig) {
        const a = await rig.bus('order')
        const id = newId()
        const first = await a.publish(Placed, { n: 0 }, { id, deduplicate: { key: 'x', windowMs: 60_000 } })
        const second = await a.publish(Placed, { n: 1 }, { deduplicate: { key: 'x', windowMs: 60_000 } })
        assert.deepEqual(
          [first, second],
          [
            { id, duplicate: false },
            { id, duplicate: true },
          ],
        )
      },
    },
    {
      name: 'unrouted: kept by default and found by a late group; with unrouted: error it is refused',
      async run(rig) {
        const [a, b] = [await rig.bus('order'), await rig.bus('stock')]
        const Strict = event('shop.refused.sent', typed<Item>(), { unrouted: 'error' })
        await assert.rejects(a.publish(Strict, { n: 0 }), { code: 'UNROUTED' })
        await a.publishMany(Placed, items(5, 2))
        const handled = new Handled()
        b.on(Placed, (data, context) => handled.note(data, context))
        await b.start()
        await handled.until(5)
        handled.assertOrder()
      },
    },
  ],
}

/** Sends what is not marked, and fails the rest as the SPI says. */
async function refuseMarked(sound: Transport, batch: readonly OutgoingMessage[], options?: SendOptions): Promise<SendReport> {
  const failures: SendFailure[] = []
  const broken = new Set<string | undefined>()
  const passed = batch.filter((each, index) => {
    const { body, partitionkey } = each.envelope
    const marked = String(body).includes('refuse')
    if (!marked && !broken.has(partitionkey)) return true
    if (partitionkey !== undefined) broken.add(partitionkey)
    failures.push({ index, state: 'failed', retryable: !marked, error: new SluiceError(marked ? 'MESSAGE_TOO_LARGE' : 'NOT_SENT', 'refused by the test') })
    return false
  })
  await sound.send(passed, options)
  return { failures }
}

/** Resolves when no group that the bus sees has a backlog. */
export async function drained(bus: Bus): Promise<void> {
  await eventually(
    () => bus.inspect(),
    (rows) => rows.every((row) => row.backlog === 0),
    'no backlog',
  )
}
