import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Random, seededRandom } from '../clock/index.ts'
import type { Envelope } from './envelope.ts'
import { ProducerOrder, type ProducerOrderOptions } from './producer-order.ts'

const message = (id: string, producerseq?: number, producerepoch = 0, producerid = 'p'): Envelope => ({
  id,
  type: 't',
  source: 's',
  time: '2026-01-31T12:00:00.000Z',
  body: '1',
  ...(producerseq === undefined ? {} : { producerid, producerepoch, producerseq }),
})

/** An order with short calls; `take` returns what came out since the last one. */
function bench(options: ProducerOrderOptions = {}) {
  const order = new ProducerOrder<string>(options)
  const out = { deliver: [] as string[], repeats: [] as string[] }
  return {
    order,
    offer: (envelope: Envelope, nowMs = 0, redelivered = false): void => order.offer('0', envelope, envelope.id, nowMs, redelivered, out),
    expire: (nowMs: number): void => order.expire(nowMs, out),
    take: (): string[] => out.deliver.splice(0),
    repeats: (): string[] => out.repeats.splice(0),
  }
}

describe('producer order', () => {
  it('delivers what has no stamp, and begins with the first number it sees', () => {
    const { offer, take } = bench()
    offer(message('x'))
    offer(message('a', 7))
    offer(message('b', 8))
    assert.deepEqual(take(), ['x', 'a', 'b'])
  })

  it('drops repeats, but only with the same id', () => {
    const { offer, take, repeats, order } = bench()
    for (const seq of [0, 1, 2, 1, 2, 3]) offer(message(`m${seq}`, seq))
    assert.deepEqual(take(), ['m0', 'm1', 'm2', 'm3'])
    assert.deepEqual(repeats(), ['m1', 'm2'])
    offer(message('another', 2))
    assert.deepEqual(take(), ['another'])
    assert.equal(order.stats.late, 1)
  })

  it('waits for a gap, fills it, and drops the repeats behind it', () => {
    const { offer, take, repeats, order } = bench()
    for (const seq of [0, 2, 3]) offer(message(`m${seq}`, seq), seq)
    assert.deepEqual(take(), ['m0'])
    assert.equal(order.nextDueMs(), 10_002)
    for (const seq of [1, 2, 3, 4]) offer(message(`m${seq}`, seq), 50)
    assert.deepEqual(take(), ['m1', 'm2', 'm3', 'm4'])
    assert.deepEqual(repeats(), ['m2', 'm3'])
    assert.equal(order.nextDueMs(), undefined)
    assert.deepEqual(order.stats, { held: 0, repeats: 2, gapsFilled: 1, gapsGivenUp: 0, late: 0 })
  })

  it('gives a gap up after its time, and still delivers what comes later', () => {
    const { offer, take, repeats, expire, order } = bench({ gapWaitMs: 100 })
    offer(message('m0', 0))
    offer(message('m3', 3), 10)
    offer(message('m2', 2), 20)
    offer(message('m6', 6), 50)
    expire(109)
    assert.deepEqual(take(), ['m0'])
    expire(110)
    assert.deepEqual(take(), ['m2', 'm3'])
    assert.equal(order.nextDueMs(), 150)
    expire(150)
    assert.deepEqual(take(), ['m6'])
    offer(message('m1', 1), 160)
    offer(message('m1', 1), 161)
    assert.deepEqual(take(), ['m1'])
    assert.deepEqual(repeats(), ['m1'])
    assert.equal(order.stats.gapsGivenUp, 2)
  })

  it('holds no more than its bound', () => {
    const { offer, take, order } = bench({ heldMax: 3 })
    for (const seq of [0, 2, 3, 4]) offer(message(`m${seq}`, seq))
    assert.deepEqual(take(), ['m0'])
    offer(message('m6', 6))
    assert.deepEqual(take(), ['m2', 'm3', 'm4'])
    assert.equal(order.stats.held, 1)
  })

  it('takes a new epoch as a new beginning', () => {
    const { offer, take } = bench()
    for (const seq of [0, 1, 3]) offer(message(`a${seq}`, seq))
    offer(message('b1', 1, 1))
    assert.deepEqual(take(), ['a0', 'a1', 'a3'])
    offer(message('b0', 0, 1))
    assert.deepEqual(take(), ['b0', 'b1'])
    offer(message('a2', 2))
    assert.deepEqual(take(), ['a2'])
  })

  it('delivers again what was released or is redelivered', () => {
    const { offer, take, order } = bench()
    for (const seq of [0, 1]) offer(message(`m${seq}`, seq))
    order.released('0', message('m1', 1))
    offer(message('m1', 1))
    offer(message('m0', 0), 0, true)
    assert.deepEqual(take(), ['m0', 'm1', 'm1', 'm0'])
  })

  it('forgets a lost partition, and can be told what its predecessor waited for', () => {
    const { offer, take, order } = bench()
    for (const seq of [0, 2]) offer(message(`m${seq}`, seq))
    assert.deepEqual(order.expected('0', 'p'), { epoch: 0, seq: 1 })
    assert.deepEqual(order.drop('0'), ['m2'])
    assert.deepEqual([order.stats.held, order.nextDueMs(), take()], [0, undefined, ['m0']])
    order.restore('0', 'p', 0, 1)
    offer(message('m2', 2), 0, true)
    assert.deepEqual(take(), [])
    offer(message('m1', 1))
    assert.deepEqual(take(), ['m1', 'm2'])
  })

  it('remembers as much as it was told to, and no more producers than its bound', () => {
    const { offer, take, repeats, order } = bench({ rememberedMax: 64, producersMax: 20 })
    for (let seq = 0; seq < 1_000; seq++) offer(message(`m${seq}`, seq))
    take()
    offer(message('m999', 999))
    offer(message('m936', 936))
    offer(message('m900', 900))
    assert.deepEqual([repeats(), take()], [['m999', 'm936'], ['m900']])
    for (let i = 0; i < 1_000; i++) order.offer('0', message('x', 0, 0, `p${i}`), 'x', i, false, { deliver: [], repeats: [] })
    assert.equal(order.expected('0', 'p'), undefined)
    assert.notEqual(order.expected('0', 'p999'), undefined)
  })

  it('survives the hostile: numbers up and down, epochs at random', () => {
    const random = seededRandom(5)
    const { offer, take, repeats, expire, order } = bench({ heldMax: 10, gapWaitMs: 5 })
    let offered = 0
    for (let i = 0; i < 50_000; i++) {
      offer(message(`m${Math.floor(random() * 50)}`, Math.floor(random() ** 4 * 2 ** 53), Math.floor(random() * 3)), i, random() < 0.1)
      offered++
      if (random() < 0.1) expire(i)
    }
    expire(1e9)
    // A redelivery replaces the held copy of the same number, which was void; nothing else disappears.
    assert.ok(take().length + repeats().length <= offered)
    assert.equal(order.stats.held, 0)
  })
})

/**
 * A broker that refuses or forgets to confirm single messages while it takes later ones, producers that resend from
 * the first unconfirmed one on, and one consumer.
 */
function simulate(random: Random): { readonly sent: Map<string, string[]>; readonly delivered: Map<string, string[]>; readonly repeats: number } {
  const order = new ProducerOrder<string>({ gapWaitMs: 1_000, heldMax: 10_000 })
  const out = { deliver: [] as string[], repeats: [] as string[] }
  const log: Envelope[] = []
  const sent = new Map<string, string[]>()
  const producers = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, i) => ({
    name: `p${i}`,
    unconfirmed: [] as Envelope[],
  }))
  const attempt = (producer: (typeof producers)[number]): void => {
    // One flight: each message is stored or not, and confirmed or not; a resend starts at the first unconfirmed one.
    let confirmed = 0
    let unbroken = true
    for (const envelope of producer.unconfirmed) {
      // Number 0 goes alone.
      if (envelope !== producer.unconfirmed[0] && producer.unconfirmed[0]?.producerseq === 0) break
      const stored = random() < 0.8
      if (stored) log.push(envelope)
      if (stored && random() < 0.9 && unbroken) confirmed++
      else unbroken = false
    }
    producer.unconfirmed.splice(0, confirmed)
  }
  let read = 0
  let nowMs = 0
  const consume = (count: number): void => {
    for (; count > 0 && read < log.length; count--) {
      const envelope = log[read++] as Envelope
      order.offer('0', envelope, envelope.id, nowMs, false, out)
    }
  }
  for (let step = 0; step < 60; step++) {
    nowMs += 5
    for (const producer of producers) {
      const ids = sent.get(producer.name) ?? []
      sent.set(producer.name, ids)
      for (let count = Math.floor(random() * 4); count > 0 && step < 40; count--) {
        const id = `${producer.name}-${ids.length}`
        ids.push(id)
        producer.unconfirmed.push(message(id, ids.length - 1, 0, producer.name))
      }
      attempt(producer)
    }
    consume(Math.floor(random() * 8))
    order.expire(nowMs, out)
  }
  for (const producer of producers) while (producer.unconfirmed.length > 0) attempt(producer)
  consume(Number.POSITIVE_INFINITY)
  const delivered = new Map<string, string[]>()
  for (const id of out.deliver) {
    const name = id.slice(0, 2)
    delivered.set(name, [...(delivered.get(name) ?? []), id])
  }
  return { sent, delivered, repeats: out.repeats.length }
}

describe('producer order, simulated', () => {
  it('delivers each producer in order, once, with nothing lost (2,000 seeds)', () => {
    let repeats = 0
    for (let seed = 1; seed <= 2_000; seed++) {
      const result = simulate(seededRandom(seed))
      for (const [name, ids] of result.sent) assert.deepEqual(result.delivered.get(name) ?? [], ids, `seed ${seed}`)
      repeats += result.repeats
    }
    assert.ok(repeats > 10_000, `the simulation resends too little: ${repeats}`)
  })
})
