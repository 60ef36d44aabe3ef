import assert from 'node:assert/strict'
import type { Delivery } from '@sluice/core/transport'
import { assertOrderPerKey, bodies, eventually, type Probe } from '../probe/probe.ts'
import type { ConformanceCase, Subject } from '../suite/case.ts'
import { message, numbered, type Rig } from '../suite/rig.ts'

const keyed: ConformanceCase['needs'] = (facts) => (facts.keyOrder === 'none' ? 'nobody keeps the order of keys here' : undefined)

const grows: ConformanceCase['needs'] = (facts) => keyed(facts) ?? (facts.partitions === 'growing' ? undefined : 'the number of partitions is fixed')

/** Order per key, and who holds a key. */
export const ordering: Subject = {
  name: 'ordering',
  cases: [
    {
      name: 'a key is in one partition, a partition has one owner, and keys are delivered in order',
      needs: keyed,
      async run(rig) {
        const transports = [await rig.channel(), await rig.open(), await rig.open()]
        const probes = []
        for (const transport of transports) probes.push(await rig.join(transport))
        await Promise.all(probes.map((probe) => probe.until(() => probe.owned.size >= 2 && probe.owned.size <= 3, 'a third of the partitions')))
        await (transports[0] as (typeof transports)[0]).send(
          numbered(
            300,
            Array.from({ length: 25 }, (_, i) => `k${i}`),
          ),
        )
        const { got, holders } = await drainTogether(probes, 300)
        assertOrderPerKey(got)
        for (const [key, members] of holders) assert.equal(members.size, 1, `key ${key} has one holder`)
        assert.ok(new Set([...holders.values()].flatMap((members) => [...members])).size > 1, 'the work is shared')
      },
    },
    {
      name: 'members join and leave while messages flow: never two holders of a key at once, order kept, nothing lost',
      needs: keyed,
      timeoutMs: 60_000,
      run: (rig) => churn(rig, 12, async () => {}),
    },
    {
      name: 'partitions are added while messages flow: order kept, nothing lost',
      needs: grows,
      timeoutMs: 60_000,
      async refused(rig) {
        const transport = await rig.channel({ groups: ['g'], partitions: 2 })
        await transport.declare({ channels: [{ name: 'c', kind: 'events', partitions: 4 }], groups: [] })
        assert.ok(
          rig.reports.some(({ level, message: text }) => level === 'warn' && text.includes('partitions')),
          'a wish that is not granted is reported',
        )
        const probe = await rig.join(await rig.open(), { group: 'h' })
        await probe.until(() => probe.owned.size === 2, 'two partitions')
      },
      async run(rig) {
        const grower = await rig.open()
        let partitions = 4
        await churn(
          rig,
          6,
          async () => {
            partitions += 4
            await grower.declare({ channels: [{ name: 'c', kind: 'events', partitions }], groups: [] })
          },
          4,
        )
        // At least: a transport may split each in two.
        const probe = await rig.join(grower)
        await probe.until(() => probe.owned.size >= partitions, `${partitions} partitions`)
      },
    },
    {
      name: 'hand-over drains first: nothing of a partition comes to the new owner before the old one let go',
      needs: keyed,
      async run(rig) {
        const [a, b] = [await rig.channel(), await rig.open()]
        let letGo = (): void => {}
        const mayGo = new Promise<void>((resolve) => {
          letGo = resolve
        })
        const old = await rig.join(a, {}, { revoking: () => mayGo })
        await old.until(() => old.owned.size === 8, 'all partitions')
        await a.send(
          numbered(
            64,
            Array.from({ length: 32 }, (_, i) => `k${i}`),
          ),
        )
        const taken = await old.take(64)
        const young = await rig.join(b)
        await old.until(() => old.revoked.length === 4, 'four partitions to be asked for')
        await young.quiet(100)
        assert.equal(young.owned.size, 0)
        old.consumer.accept(taken)
        await old.consumer.flush()
        letGo()
        await young.until(() => young.owned.size === 4, 'half of the partitions')
        await young.quiet()
        assert.equal(old.settlementsLost.length, 0)
      },
    },
    {
      name: 'the whole channel in one line, where a group asks for it',
      needs: keyed,
      async run(rig) {
        const b = await rig.open()
        const a = await rig.channel({ partitions: rig.facts.partitions === 'growing' ? 8 : 1 })
        const probes = [await rig.join(a, { order: 'channel' }), await rig.join(b, { order: 'channel' })]
        await balanced(probes)
        await a.send(numbered(100, ['a', 'b', undefined, 'c']))
        const { got, holders } = await drainTogether(probes, 100)
        assert.deepEqual(
          bodies(got),
          Array.from({ length: 100 }, (_, i) => String(i)),
        )
        assert.equal(new Set([...holders.values()].flatMap((members) => [...members])).size, 1)
      },
    },
    {
      name: 'without order every member may get any message of any key',
      async run(rig) {
        const [a, b] = [await rig.channel(), await rig.open()]
        const probes = [await rig.join(a, { order: 'none', windowCount: 5 }), await rig.join(b, { order: 'none', windowCount: 5 })]
        await a.send(numbered(40, ['a']))
        const { got } = await drainTogether(probes, 40)
        assert.equal(new Set(bodies(got)).size, 40)
      },
    },
    {
      name: 'a key that is held does not hold up others',
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        await transport.send([message({ key: 'slow', body: 'slow' }), ...numbered(50, ['a', 'b', 'c', 'd', undefined])])
        const taken = await probe.take(51)
        const others = taken.filter((delivery) => delivery.envelope.body !== 'slow')
        probe.consumer.accept(others)
        await transport.send(numbered(50, ['a', 'b', 'c', 'd', undefined], 50))
        assertOrderPerKey([...others, ...(await probe.drain(50))])
        probe.consumer.accept(taken.filter((delivery) => delivery.envelope.body === 'slow'))
        await probe.consumer.flush()
        assert.equal((await transport.admin.groups())[0]?.backlog, 0)
      },
    },
  ],
}

/** Resolves when somebody owns something, and nothing has changed hands for a while. */
async function balanced(probes: readonly Probe[]): Promise<void> {
  let before = ''
  await eventually(
    async () => {
      await new Promise((resolve) => setTimeout(resolve, 200))
      return JSON.stringify(probes.map(({ owned, revoked }) => [[...owned], revoked.length]))
    },
    (now) => {
      const same = now === before && probes.some(({ owned }) => owned.size > 0)
      before = now
      return same
    },
    'an owner that stays',
  )
}

/** Pumps several members until `count` deliveries were accepted; tells who held which key. */
async function drainTogether(probes: readonly Probe[], count: number): Promise<{ got: Delivery[]; holders: Map<string, Set<Probe>> }> {
  const got: Delivery[] = []
  const holders = new Map<string, Set<Probe>>()
  for (const probe of probes) {
    void probe.pump(async (deliveries) => {
      // What was on its way when its partition was asked back comes to the next owner.
      const mine = deliveries.filter((delivery) => probe.mayBegin(delivery))
      for (const delivery of mine) {
        got.push(delivery)
        const key = delivery.envelope.partitionkey ?? ''
        holders.set(key, (holders.get(key) ?? new Set()).add(probe))
      }
      probe.consumer.accept(mine)
      await probe.consumer.flush()
    }, 10)
  }
  await eventually(
    async () => got.length,
    (n) => n >= count,
    `${count} deliveries`,
  )
  assert.equal(got.length, count)
  return { got, holders }
}

/**
 * Two members at a time, the older leaving as a younger joins, while a producer sends; `change` is called in each round.
 * A key may have two holders one after the other, never at once.
 */
async function churn(rig: Rig, rounds: number, change: (round: number) => Promise<void>, partitions = 8): Promise<void> {
  const producer = await rig.channel({ groups: ['g'], partitions })
  const keys = Array.from({ length: 24 }, (_, i) => `k${i}`)
  const heldBy = new Map<string, Probe>()
  const done: Delivery[] = []
  const problems: string[] = []
  const start = async (): Promise<{ leave(): Promise<void> }> => {
    const running = new Set<Promise<void>>()
    let leaving = false
    const settled = async (): Promise<void> => void (await Promise.all(running))
    // Drains as the core does: what is being handled is finished and settled, then the partition goes.
    const probe = await rig.join(await rig.open(), {}, { revoking: settled })
    void probe.pump((deliveries) => {
      if (leaving) return probe.consumer.release(deliveries)
      const work = handle(
        probe,
        deliveries.filter((delivery) => probe.mayBegin(delivery)),
      )
      running.add(work)
      void work.finally(() => running.delete(work))
      return work
    }, 20)
    return {
      leave: async () => {
        leaving = true
        await settled()
        await probe.consumer.close()
      },
    }
  }
  const handle = async (probe: Probe, deliveries: readonly Delivery[]): Promise<void> => {
    for (const delivery of deliveries) {
      const key = delivery.envelope.partitionkey as string
      const other = heldBy.get(key)
      if (other !== undefined && other !== probe) problems.push(`key ${key} is held by two members`)
      heldBy.set(key, probe)
    }
    await new Promise((resolve) => setImmediate(resolve))
    done.push(...deliveries)
    probe.consumer.accept(deliveries)
    await probe.consumer.flush()
    for (const delivery of deliveries) heldBy.delete(delivery.envelope.partitionkey as string)
  }
  const members = [await start(), await start()]
  for (let round = 0; round < rounds; round++) {
    assert.deepEqual((await producer.send(numbered(100, keys, round * 100))).failures, [])
    await change(round)
    members.push(await start())
    await eventually(
      async () => done.length,
      (n) => n >= round * 100 + 30,
      'some progress in each round',
    )
    await members.shift()?.leave()
  }
  await eventually(
    () => producer.admin.groups('c'),
    (list) => list[0]?.backlog === 0,
    'everything to be handled',
  )
  for (const member of members) await member.leave()
  assert.deepEqual(problems, [])
  assert.equal(done.length, rounds * 100)
  assertOrderPerKey(done)
}
