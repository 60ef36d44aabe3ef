import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryTransport } from '@sluice/core/transport'
import { bodies } from '../probe/probe.ts'
import { message, numbered, Rig } from '../suite/rig.ts'
import { type ChaosOptions, chaosTransport } from './chaos.ts'

async function withChaos(options: ChaosOptions, run: (rig: Rig, chaos: ReturnType<typeof chaosTransport>) => Promise<void>): Promise<void> {
  const chaos = chaosTransport(memoryTransport, options)
  const rig = new Rig({ factory: chaos, url: `memory:chaos-${options.seed}` })
  try {
    await run(rig, chaos)
  } finally {
    await rig.close()
  }
}

test('unknown confirms: some stored, some not, and nothing of the key behind them is sent', async () => {
  await withChaos({ seed: 1, unknownRate: 0.1, confirmDelayMsMax: 2 }, async (rig, chaos) => {
    const transport = await rig.channel({ groups: ['g'] })
    const reports = await Promise.all([0, 1, 2].map((call) => transport.send(numbered(50, ['a', 'b', 'c', 'd', 'e'], call * 50))))
    assert.ok(chaos.counts.unknown > 3)
    const firstFailed = new Map<string, number>()
    const stored = (await transport.admin.browse('c', { limit: 1_000 })).messages.map((envelope) => Number(envelope.body))
    for (const [call, report] of reports.entries()) {
      for (const { index, state } of report.failures) {
        const number = call * 50 + index
        const key = String(number % 5)
        if (!firstFailed.has(key)) assert.equal(state, 'unknown')
        firstFailed.set(key, Math.min(number, firstFailed.get(key) ?? Infinity))
      }
    }
    for (const number of stored) assert.ok(number <= (firstFailed.get(String(number % 5)) ?? Infinity), `${number} was stored behind a failure of its key`)
  })
})

test('duplicates and reordering: everything arrives, out of place but within the distance, and the facts say so', async () => {
  await withChaos({ seed: 2, duplicateRate: 0.2, reorderRate: 0.2, reorderDistance: 4 }, async (rig, chaos) => {
    const transport = await rig.channel({ groups: ['g'] })
    assert.equal(transport.facts.publishOrder, 'sequence')
    assert.deepEqual((await transport.send(numbered(200, ['a']))).failures, [])
    const stored = (await transport.admin.browse('c', { limit: 1_000 })).messages.map((envelope) => Number(envelope.body))
    assert.equal(new Set(stored).size, 200)
    assert.equal(stored.length, 200 + chaos.counts.duplicates)
    const firsts = [...new Set(stored)]
    assert.notDeepEqual(
      firsts,
      firsts.toSorted((a, b) => a - b),
    )
    for (const [place, number] of firsts.entries()) assert.ok(Math.abs(number - place) < 20)
  })
})

test('lost settlements are reported and come again', async () => {
  await withChaos({ seed: 3, lostSettlementRate: 0.5 }, async (rig, chaos) => {
    const transport = await rig.channel()
    const probe = await rig.join(transport)
    await transport.send(numbered(20, ['a', undefined]))
    const seen: string[] = []
    while ((await transport.admin.groups())[0]?.backlog !== 0) {
      const some = await probe.take(1)
      seen.push(...bodies(some))
      probe.consumer.accept(some)
    }
    assert.ok(chaos.counts.lostSettlements > 3)
    assert.equal(probe.settlementsLost.length, chaos.counts.lostSettlements)
    assert.equal(new Set(seen).size, 20)
  })
})

test('the same seed does the same', async () => {
  const orders: string[] = []
  for (let i = 0; i < 2; i++) {
    const chaos = chaosTransport(memoryTransport, { seed: 4, duplicateRate: 0.3, reorderRate: 0.3 })
    const rig = new Rig({ factory: chaos, url: `memory:chaos-same-${i}` })
    const transport = await rig.channel()
    await transport.send(Array.from({ length: 50 }, (_, n) => message({ key: 'a', body: String(n) })))
    orders.push((await transport.admin.browse('c', { limit: 100 })).messages.map((envelope) => envelope.body).join())
    await rig.close()
  }
  assert.equal(orders[0], orders[1])
})
