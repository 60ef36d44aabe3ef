import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock, seededRandom } from '../../clock/index.ts'
import { SluiceError } from '../../errors/index.ts'
import type { OutgoingMessage, SendFailure, SendOptions, SendReport, Topology, Transport } from '../../transport/index.ts'
import { Sender } from './sender.ts'

/** A transport whose sends are answered by the test. */
class ScriptedTransport {
  facts: { publishOrder: string } = { publishOrder: 'kept' }
  readonly sends: {
    readonly ids: string[]
    readonly numbers: string[]
    readonly resend: boolean
    answer(report: SendReport): void
    crash(error: unknown): void
  }[] = []
  readonly declared: string[] = []
  declareFails: (() => unknown)[] = []

  async declare(topology: Topology): Promise<void> {
    const fail = this.declareFails.shift()
    if (fail !== undefined) throw fail()
    this.declared.push(...topology.channels.map((channel) => channel.name))
  }

  send(batch: readonly OutgoingMessage[], options: SendOptions = {}): Promise<SendReport> {
    return new Promise((resolve, reject) => {
      this.sends.push({
        ids: batch.map((message) => message.envelope.id),
        numbers: batch.map(({ envelope }) => `${envelope.producerid}:${envelope.producerepoch}:${envelope.producerseq}`),
        resend: options.resend === true,
        answer: resolve,
        crash: reject,
      })
    })
  }

  get last(): (typeof this.sends)[number] {
    return this.sends.at(-1) as (typeof this.sends)[number]
  }
}

function setUp(limits: { countMax?: number; bytesMax?: number; publishOrder?: string } = {}): {
  sender: Sender
  transport: ScriptedTransport
  clock: ManualClock
} {
  const transport = new ScriptedTransport()
  transport.facts = { publishOrder: limits.publishOrder ?? 'kept' }
  const clock = new ManualClock()
  const sender = new Sender({
    transport: transport as unknown as Transport,
    instanceId: 'me',
    clock,
    random: seededRandom(1),
    countMax: limits.countMax ?? 1000,
    bytesMax: limits.bytesMax ?? 1e6,
    topologyOf: (name) => ({ channels: [{ name, kind: 'events' }], groups: [] }),
  })
  return { sender, transport, clock }
}

function message(id: string, key?: string, channel = 'c'): OutgoingMessage {
  return {
    channel,
    sizeBytes: 100,
    envelope: { id, type: 't', source: 's', time: '2026-01-01T00:00:00.000Z', body: '{}', ...(key === undefined ? {} : { partitionkey: key }) },
  }
}

function failure(index: number, state: 'failed' | 'unknown', retryable: boolean, code: 'NOT_SENT' | 'STORE_BUSY' | 'UNROUTED' = 'STORE_BUSY'): SendFailure {
  return { index, state, retryable, error: new SluiceError(code, 'for the test') }
}

const done: SendReport = { failures: [] }
/** Two turns of the event loop: a flush, and what its answer sets off. */
const turn = async (): Promise<void> => {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve))
}
const timeoutMs = 30_000

test('all calls of one tick are one send, in the order of the calls, after the channel was declared', async () => {
  const { sender, transport } = setUp()
  const calls = [
    sender.sendOne(message('1', 'a'), timeoutMs, undefined),
    sender.sendOne(message('2'), timeoutMs, undefined),
    sender.sendMany([message('3', 'a'), message('4', 'b')], timeoutMs, undefined),
  ]
  await turn()
  assert.deepEqual(transport.declared, ['c'])
  assert.deepEqual(
    transport.sends.map((send) => send.ids),
    [['1', '2', '3', '4']],
  )
  transport.last.answer({ failures: [], duplicates: new Map([[1, 'older']]) })
  assert.deepEqual(await Promise.all(calls), [
    { id: '1', duplicate: false },
    { id: 'older', duplicate: true },
    [
      { id: '3', duplicate: false },
      { id: '4', duplicate: false },
    ],
  ])
  assert.equal(sender.outstanding, 0)
})

test('after an unknown everything of its key goes again, in order, under the same ids; other keys go on', async () => {
  const { sender, transport, clock } = setUp()
  const calls = ['1', '2', '3'].map((id) => sender.sendOne(message(id, id === '2' ? 'b' : 'a'), timeoutMs, undefined))
  await turn()
  calls.push(sender.sendOne(message('4', 'a'), timeoutMs, undefined))
  await turn()
  // 4 is under way in a send of its own when the first one comes back.
  transport.sends[0]?.answer({ failures: [failure(0, 'unknown', true), failure(2, 'failed', true, 'NOT_SENT')] })
  await turn()
  calls.push(sender.sendOne(message('5', 'a'), timeoutMs, undefined), sender.sendOne(message('6', 'b'), timeoutMs, undefined))
  await turn()
  assert.deepEqual(
    transport.sends.map((send) => send.ids),
    [['1', '2', '3'], ['4'], ['6']],
  )
  transport.sends[2]?.answer(done)
  clock.advance(1_000)
  await turn()
  assert.equal(transport.sends.length, 3, 'nothing of the key is sent while 4 is under way')
  transport.sends[1]?.answer({ failures: [failure(0, 'failed', true, 'NOT_SENT')] })
  await turn()
  clock.advance(1_000)
  await turn()
  assert.deepEqual([transport.last.ids, transport.last.resend], [['1', '3', '4', '5'], true])
  transport.last.answer(done)
  await Promise.all(calls)
})

test('a whole send that rejects is unknown, and goes again', async () => {
  const { sender, transport, clock } = setUp()
  const call = sender.sendOne(message('1'), timeoutMs, undefined)
  await turn()
  transport.last.crash(new Error('socket closed'))
  await turn()
  clock.advance(1_000)
  await turn()
  assert.deepEqual([transport.last.ids, transport.last.resend], [['1'], true])
  transport.last.answer(done)
  assert.deepEqual(await call, { id: '1', duplicate: false })
})

test('an unkeyed message that failed waits for nobody and holds nobody up', async () => {
  const { sender, transport, clock } = setUp()
  const first = sender.sendOne(message('1'), timeoutMs, undefined)
  await turn()
  transport.last.answer({ failures: [failure(0, 'failed', true)] })
  await turn()
  const second = sender.sendOne(message('2'), timeoutMs, undefined)
  await turn()
  assert.deepEqual(transport.last.ids, ['2'])
  transport.last.answer(done)
  await second
  clock.advance(1_000)
  await turn()
  assert.deepEqual([transport.last.ids, transport.last.resend], [['1'], false])
  transport.last.answer(done)
  await first
})

test('the time-out: PUBLISH_UNKNOWN while under way, PUBLISH_FAILED when certainly not stored', async () => {
  const { sender, transport, clock } = setUp()
  const underWay = sender.sendOne(message('1'), 1_000, undefined)
  await turn()
  transport.declareFails = Array.from({ length: 100 }, () => () => new SluiceError('TRANSPORT_FAILED', 'for the test'))
  const failed = sender.sendOne(message('2', undefined, 'd'), 1_000, undefined)
  await turn()
  const results = Promise.allSettled([underWay, failed])
  clock.advance(1_100)
  const [first, second] = (await results) as [PromiseRejectedResult, PromiseRejectedResult]
  assert.equal(first.reason.code, 'PUBLISH_UNKNOWN')
  assert.equal(first.reason.details.id, '1')
  assert.equal(second.reason.code, 'PUBLISH_FAILED')
  assert.equal(second.reason.cause.code, 'TRANSPORT_FAILED')
  assert.equal(sender.outstanding, 0)
  // Late news of a message that was given up changes nothing.
  transport.sends[0]?.answer({ failures: [failure(0, 'unknown', true)] })
  await turn()
  clock.advance(5_000)
  await turn()
  assert.ok(transport.sends.every((send, index) => index < 1 || !send.ids.includes('1')))
})

test('publishMany: PUBLISH_PARTIAL tells the fate of each; later entries of a failed key are NOT_SENT', async () => {
  const { sender, transport, clock } = setUp()
  const call = sender.sendMany([message('1', 'a'), message('2', 'b'), message('3', 'a'), message('4', 'b'), message('5', 'a')], timeoutMs, undefined)
  await turn()
  transport.last.answer({ failures: [failure(1, 'failed', false, 'UNROUTED'), failure(3, 'failed', true, 'NOT_SENT')] })
  await assert.rejects(call, (error: SluiceError) => {
    assert.equal(error.code, 'PUBLISH_PARTIAL')
    const entries = error.details['entries'] as { id: string; state: string; error?: SluiceError }[]
    assert.deepEqual(
      entries.map((entry) => [entry.id, entry.state, entry.error?.code]),
      [
        ['1', 'confirmed', undefined],
        ['2', 'failed', 'UNROUTED'],
        ['3', 'confirmed', undefined],
        ['4', 'failed', 'NOT_SENT'],
        ['5', 'confirmed', undefined],
      ],
    )
    return true
  })
  clock.advance(10_000)
  await turn()
  assert.equal(transport.sends.length, 1)
})

test('a huge call goes out in pieces, and its order survives a failure in the middle', async () => {
  const { sender, transport, clock } = setUp({ countMax: 10_000, bytesMax: 1e9 })
  const ids = Array.from({ length: 2_500 }, (_, i) => `m${i}`)
  const call = sender.sendMany(
    ids.map((id) => message(id, 'a')),
    timeoutMs,
    undefined,
  )
  await turn()
  assert.deepEqual(
    transport.sends.map((send) => send.ids.length),
    [1000, 1000, 500],
  )
  transport.sends[0]?.answer({ failures: Array.from({ length: 400 }, (_, i) => failure(600 + i, i === 0 ? 'unknown' : 'failed', true)) })
  transport.sends[1]?.answer({ failures: Array.from({ length: 1000 }, (_, i) => failure(i, 'failed', true, 'NOT_SENT')) })
  transport.sends[2]?.answer({ failures: Array.from({ length: 500 }, (_, i) => failure(i, 'failed', true, 'NOT_SENT')) })
  const again: string[] = []
  for (let i = 0; i < 2; i++) {
    await turn()
    clock.advance(1_000)
    await turn()
    again.push(...transport.last.ids)
    transport.last.answer(done)
  }
  assert.deepEqual(again, ids.slice(600))
  assert.equal((await call).length, 2_500)
})

test('a call that went as a whole is taken apart when one of its messages fares differently', async () => {
  const { sender, transport, clock } = setUp({ countMax: 10_000, bytesMax: 1e9 })
  sender.declared('c')
  const before = sender.sendMany([message('x', 'a'), message('y', 'b')], timeoutMs, undefined)
  const call = sender.sendMany(
    Array.from({ length: 2_500 }, (_, i) => message(`m${i}`, i % 2 === 0 ? 'a' : 'b')),
    timeoutMs,
    undefined,
  )
  await turn()
  assert.deepEqual(
    transport.sends.map((send) => send.ids.length),
    [1000, 1000, 502],
  )
  // The first part is confirmed, the second has a hopeless message and a duplicate, the third has no answer.
  transport.sends[0]?.answer(done)
  await turn()
  assert.equal((await before).length, 2)
  assert.equal(sender.outstanding, 1502)
  transport.sends[1]?.answer({ failures: [failure(0, 'failed', false, 'UNROUTED')], duplicates: new Map([[1, 'older']]) })
  await turn()
  assert.equal(sender.outstanding, 502)
  clock.advance(timeoutMs)
  await assert.rejects(call, (error: SluiceError) => {
    const entries = error.details['entries'] as { id: string; state: string; duplicate?: boolean }[]
    const count = (state: string): number => entries.filter((entry) => entry.state === state).length
    assert.deepEqual([count('confirmed'), count('failed'), count('unknown')], [1997, 1, 502])
    assert.deepEqual([entries[998]?.state, entries[998]?.id, entries[999]?.id, entries[999]?.duplicate], ['failed', 'm998', 'older', true])
    return true
  })
  assert.equal(sender.outstanding, 0)
})

test('the buffer is bounded: BACKPRESSURE, and room again after confirms', async () => {
  const { sender, transport } = setUp({ countMax: 2 })
  const calls = [sender.sendOne(message('1'), timeoutMs, undefined), sender.sendOne(message('2'), timeoutMs, undefined)]
  await assert.rejects(sender.sendOne(message('3'), timeoutMs, undefined), { code: 'BACKPRESSURE' })
  await turn()
  transport.last.answer(done)
  await Promise.all(calls)
  const next = sender.sendOne(message('4'), timeoutMs, undefined)
  await turn()
  transport.last.answer(done)
  await next
})

test('abort: ABORTED before it was sent, PUBLISH_UNKNOWN under way', async () => {
  const { sender, transport } = setUp()
  const abort = new AbortController()
  const early = sender.sendOne(message('1'), timeoutMs, AbortSignal.abort())
  await assert.rejects(early, { code: 'ABORTED' })
  const late = sender.sendOne(message('2'), timeoutMs, abort.signal)
  await turn()
  assert.deepEqual(transport.last.ids, ['2'])
  abort.abort()
  await assert.rejects(late, { code: 'PUBLISH_UNKNOWN' })
})

test('many callers are told in short turns of the loop, and what they publish next still goes together', async () => {
  const { sender, transport } = setUp({ countMax: 10_000 })
  let told = 0
  const publish = (id: string): Promise<unknown> => sender.sendOne(message(id, id), 30_000, undefined)
  const callers = Array.from({ length: 600 }, async (_, n) => {
    await publish(`first ${n}`)
    told++
    await publish(`second ${n}`)
  })
  while (transport.sends.length === 0) await turn()
  assert.equal(transport.last.ids.length, 600)
  transport.last.answer(done)
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(told > 0 && told < 600, `${told} callers were told in a turn`)
  while (transport.sends.length === 1) await turn()
  assert.equal(told, 600)
  assert.equal(transport.last.ids.length, 600)
  transport.last.answer(done)
  await Promise.all(callers)
})

test('a channel that cannot be declared: a contradiction fails its messages, a connection is tried again', async () => {
  const { sender, transport, clock } = setUp()
  transport.declareFails = [() => new SluiceError('CONTRACT_CONFLICT', 'for the test')]
  await assert.rejects(sender.sendOne(message('1'), timeoutMs, undefined), { code: 'CONTRACT_CONFLICT' })
  transport.declareFails = [() => new SluiceError('TRANSPORT_FAILED', 'for the test')]
  const call = sender.sendOne(message('2'), timeoutMs, undefined)
  await turn()
  clock.advance(1_000)
  await turn()
  transport.last.answer(done)
  await call
})

test('drain waits for confirms, and gives up at its deadline', async () => {
  const { sender, transport, clock } = setUp()
  const first = sender.sendOne(message('1'), timeoutMs, undefined)
  await turn()
  const drained = sender.drain(1_000)
  transport.last.answer(done)
  await Promise.all([first, drained])
  const second = sender.sendOne(message('2'), timeoutMs, undefined)
  await turn()
  const late = sender.drain(1_000)
  clock.advance(1_000)
  await assert.rejects(second, { code: 'PUBLISH_UNKNOWN' })
  await late
})

test('numbers per key where the transport needs them: 0 alone, resends alike, a new epoch after a give-up', async () => {
  const { sender, transport, clock } = setUp({ publishOrder: 'sequence' })
  const calls = ['1', '2', '3'].map((id) => sender.sendOne(message(id, 'a'), timeoutMs, undefined))
  calls.push(sender.sendOne(message('4', 'b'), timeoutMs, undefined), sender.sendOne(message('5'), timeoutMs, undefined))
  await turn()
  assert.deepEqual(
    [transport.last.ids, transport.last.numbers],
    [
      ['1', '4', '5'],
      ['me/0:0:0', 'me/1:0:0', 'undefined:undefined:undefined'],
    ],
  )
  transport.last.answer(done)
  await turn()
  assert.deepEqual(
    [transport.last.ids, transport.last.numbers],
    [
      ['2', '3'],
      ['me/0:0:1', 'me/0:0:2'],
    ],
  )
  transport.last.answer({ failures: [failure(0, 'unknown', true)] })
  await turn()
  clock.advance(1_000)
  await turn()
  assert.deepEqual([transport.last.ids, transport.last.numbers], [['2'], ['me/0:0:1']])
  transport.last.answer(done)
  await Promise.all(calls)
  const lost = assert.rejects(sender.sendOne(message('6', 'a'), 500, undefined), { code: 'PUBLISH_UNKNOWN' })
  await turn()
  clock.advance(600)
  await lost
  const two = ['7', '8'].map((id) => sender.sendOne(message(id, 'a'), timeoutMs, undefined))
  await turn()
  assert.deepEqual([transport.last.ids, transport.last.numbers], [['7'], ['me/0:1:0']])
  transport.last.answer(done)
  await turn()
  assert.deepEqual([transport.last.ids, transport.last.numbers], [['8'], ['me/0:1:1']])
  transport.last.answer(done)
  await Promise.all(two)
})

test('by seed: any interleaving of failures keeps each key in order, and loses nothing', async () => {
  for (let seed = 1; seed <= 60; seed++) await interleaving(seed)
})

/** A store that keeps order as facts.publishOrder 'kept' demands, with random answers at random times. */
async function interleaving(seed: number): Promise<void> {
  const random = seededRandom(seed)
  const { sender, transport, clock } = setUp()
  // Half of them go as whole calls from the first message on.
  if (seed % 2 === 0) sender.declared('c')
  const stored = new Map<string, string[]>()
  const keyOf = new Map<string, string>()
  const calls: Promise<unknown>[] = []
  const answer = (): void => {
    // Sends are answered in order here; entries behind a failed one of their key fail, too, in overlapping sends as well.
    const open = transport.sends.filter((_, index) => index >= answered)
    const send = open[0]
    if (send === undefined) return
    answered++
    const broken = new Set<string>(brokenUntil.keys())
    const failures: SendFailure[] = []
    for (const [index, id] of send.ids.entries()) {
      const key = keyOf.get(id) as string
      if (broken.has(key)) failures.push(failure(index, 'failed', true, 'NOT_SENT'))
      else if (random() < 0.2) {
        const unknown = random() < 0.5
        broken.add(key)
        brokenUntil.set(key, transport.sends.length)
        if (unknown && random() < 0.5) keep(key, id)
        failures.push(failure(index, unknown ? 'unknown' : 'failed', true))
      } else keep(key, id)
    }
    for (const [key, until] of brokenUntil) if (answered >= until) brokenUntil.delete(key)
    send.answer({ failures })
  }
  let answered = 0
  const brokenUntil = new Map<string, number>()
  const keep = (key: string, id: string): void => {
    const list = stored.get(key) ?? []
    if (!list.includes(id)) list.push(id)
    stored.set(key, list)
  }
  for (let i = 0; i < 60; i++) {
    const id = `${i}`.padStart(3, '0')
    const key = 'abc'[Math.floor(random() * 3)] as string
    keyOf.set(id, key)
    const next = `${i + 1}`.padStart(3, '0')
    if (random() < 0.7 || i === 59) calls.push(sender.sendOne(message(id, key), 1e9, undefined))
    else {
      const other = 'abc'[Math.floor(random() * 3)] as string
      keyOf.set(next, other)
      calls.push(sender.sendMany([message(id, key), message(next, other)], 1e9, undefined))
      i++
    }
    if (random() < 0.3) await turn()
    if (random() < 0.3) answer()
    if (random() < 0.1) clock.advance(500)
  }
  for (let i = 0; i < 2_000 && sender.outstanding > 0; i++) {
    await turn()
    answer()
    clock.advance(1_000)
  }
  assert.equal(sender.outstanding, 0, `seed ${seed}: all confirmed`)
  await Promise.all(calls)
  for (const [key, ids] of stored) assert.deepEqual(ids, [...ids].sort(), `seed ${seed}: key ${key} in order`)
  assert.equal([...stored.values()].flat().length, 60, `seed ${seed}: nothing lost`)
}
