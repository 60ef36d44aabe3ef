import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom, type Transport } from '@sluice/core/transport'
import { busChannel, Crew, type ProcessMember } from '../crash/index.ts'
import { checkHistory, type HistoryEvent, type HistoryScope } from '../history/index.ts'
import { eventually } from '../probe/probe.ts'
import type { Subject } from '../suite/case.ts'
import type { Rig } from '../suite/rig.ts'

/** Real processes on one place: shared keys, deaths, frozen members. Judged by their history. */
export const processes: Subject = {
  name: 'processes',
  ownProcesses: true,
  cases: [
    {
      name: 'three processes share a group, two send: each message once, keys in order, both groups complete',
      timeoutMs: 90_000,
      async run(rig) {
        const { crew, drained, judge } = await muster(rig, ['g', 'h'])
        await Promise.all([crew.start('c1', 'consume'), crew.start('c2', 'consume'), crew.start('c3', 'consume'), crew.start('d1', 'consume', { group: 'h' })])
        const producers = await Promise.all(['p1', 'p2'].map((proc) => crew.start(proc, 'produce', { count: 1_000, pauseMs: 2 })))
        await Promise.all(producers.map((producer) => producer.done()))
        await drained()
        const events = await judge({ groups: { c: ['g', 'h'] } })
        const sharers = new Set(events.filter((event) => event.f === 'deliver' && event.group === 'g').map((event) => event.proc))
        assert.ok(sharers.size >= 2, `the work was shared: ${[...sharers]}`)
      },
    },
    {
      name: 'a message wakes a consumer in another process at once',
      timeoutMs: 60_000,
      async run(rig) {
        const { crew, drained, judge } = await muster(rig, ['g'])
        await crew.start('c1', 'consume')
        const producer = await crew.start('p1', 'produce', { count: 60, batch: 1, keys: 3, pauseMs: 10 })
        await producer.done()
        await drained()
        const events = await judge({ groups: { c: ['g'] } })
        const sentAt = new Map(events.filter((event) => event.f === 'send' && event.type === 'ok').map((event) => [event.id, event.monoNs]))
        const waitsMs = events
          .filter((event) => event.f === 'deliver' && event.type === 'invoke')
          .map((event) => (event.monoNs - (sentAt.get(event.id) ?? 0)) / 1e6)
        const median = waitsMs.toSorted((a, b) => a - b)[30] ?? Infinity
        assert.ok(median < 100, `woken after ${median.toFixed(1)} ms in the median`)
      },
    },
    {
      name: 'processes join and leave while messages flow: nothing lost, doubled or reordered',
      timeoutMs: 120_000,
      async run(rig) {
        const { crew, drained, judge } = await muster(rig, ['g'])
        const producer = await crew.start('p1', 'produce', { count: 2_000, pauseMs: 5 })
        const members = [await crew.start('c1', 'consume', { workMs: 1 })]
        for (let n = 2; n <= 5; n++) {
          members.push(await crew.start(`c${n}`, 'consume', { workMs: 1 }))
          if (n > 2) await members.shift()?.stop()
        }
        await producer.done()
        await drained()
        await judge({ groups: { c: ['g'] } })
      },
    },
    {
      name: 'kill -9 of consumers under load: nothing lost, order kept, nothing again after its acceptance',
      timeoutMs: 120_000,
      async run(rig) {
        const { crew, drained, judge } = await muster(rig, ['g'])
        const random = seededRandom(7)
        const producer = await crew.start('p1', 'produce', { count: 2_000, pauseMs: 5 })
        await crew.start('c0', 'consume', { workMs: 1 })
        for (let n = 1; n <= 4; n++) {
          const victim = await crew.start(`c${n}`, 'consume', { workMs: 1 })
          await new Promise((resolve) => setTimeout(resolve, 50 + random() * 250))
          await victim.kill()
        }
        await producer.done()
        await drained()
        await judge({ groups: { c: ['g'] } })
      },
    },
    {
      name: 'kill -9 of producers under load: what was confirmed is there, the rest is whole or not there, order kept',
      timeoutMs: 120_000,
      async run(rig) {
        const { crew, drained, judge } = await muster(rig, ['g'])
        const random = seededRandom(11)
        await crew.start('c1', 'consume')
        for (let n = 1; n <= 4; n++) {
          const victim = await crew.start(`p${n}`, 'produce', { count: 1_000_000, batch: 10 })
          await new Promise((resolve) => setTimeout(resolve, 30 + random() * 150))
          await victim.kill()
        }
        await drained()
        await judge({ groups: { c: ['g'] } })
      },
    },
    {
      name: 'every process killed at once: a new one finds everything',
      timeoutMs: 90_000,
      async run(rig) {
        const { crew, drained, judge } = await muster(rig, ['g'])
        const all = await Promise.all([
          crew.start('c1', 'consume', { workMs: 1 }),
          crew.start('c2', 'consume', { workMs: 1 }),
          crew.start('p1', 'produce', { count: 1_000_000, batch: 10 }),
        ])
        await new Promise((resolve) => setTimeout(resolve, 300))
        await Promise.all(all.map((member) => member.kill()))
        await crew.start('c3', 'consume')
        await drained()
        await judge({ groups: { c: ['g'] } })
      },
    },
    {
      name: 'a member frozen past its lease: taken over in order; thawed, it settles nothing of before',
      needs: (facts) => (facts.takeOverMs > 5_000 ? 'taking over takes longer than this run waits' : undefined),
      timeoutMs: 120_000,
      async run(rig) {
        const { crew, drained, judge, transport } = await muster(rig, ['g'])
        const producer = await crew.start('p1', 'produce', { count: 600, pauseMs: 5 })
        const frozen = await crew.start('c1', 'consume', { workMs: 2 })
        await crew.start('c2', 'consume', { workMs: 2 })
        await producer.done()
        await freezeOutsideTransaction(frozen, transport)
        await drained()
        frozen.thaw()
        // It learns that it lost its lease, joins in again, and does no harm.
        const more = await crew.start('p2', 'produce', { count: 200, pauseMs: 5 })
        await more.done()
        await drained()
        await judge({ groups: { c: ['g'] } })
      },
    },
    {
      name: 'buses with retries, kill -9 of both sides under load: I1 to I8 hold',
      timeoutMs: 120_000,
      async run(rig) {
        const { crew, drained, judge } = await muster(rig, [], 8, busChannel)
        const random = seededRandom(5)
        const consumer = { workMs: 1, failEvery: 9, concurrency: 8 }
        await Promise.all([crew.start('c0', 'bus-consume', consumer), crew.start('d0', 'bus-consume', { ...consumer, group: 'h' })])
        const producer = await crew.start('p0', 'bus-produce', { count: 1_500, pauseMs: 8 })
        for (let n = 1; n <= 4; n++) {
          const victims = [await crew.start(`c${n}`, 'bus-consume', consumer), await crew.start(`p${n}`, 'bus-produce', { count: 1_000_000, pauseMs: 20 })]
          await new Promise((resolve) => setTimeout(resolve, 80 + random() * 250))
          await Promise.all(victims.map((victim) => victim.kill()))
        }
        await producer.done()
        await drained()
        await judge({ groups: { [busChannel]: ['g', 'h'] }, settlementConfirmed: false })
      },
    },
    {
      name: 'buses join and leave while messages flow and poison is among them: nothing lost, order kept',
      timeoutMs: 120_000,
      async run(rig) {
        const { crew, drained, judge } = await muster(rig, [], 8, busChannel)
        const consumer = { workMs: 1, failEvery: 17, poisonEvery: 50, concurrency: 8 }
        const producer = await crew.start('p0', 'bus-produce', { count: 1_500, pauseMs: 8 })
        const members = [await crew.start('c0', 'bus-consume', consumer)]
        for (let n = 1; n <= 4; n++) {
          members.push(await crew.start(`c${n}`, 'bus-consume', consumer))
          if (n > 1) await members.shift()?.stop()
        }
        await producer.done()
        await drained()
        await judge({ groups: { [busChannel]: ['g'] }, settlementConfirmed: false })
      },
    },
    {
      name: 'a message that kills its process every time ends as a dead letter, and the others come through',
      timeoutMs: 120_000,
      async run(rig) {
        const { crew, drained, transport } = await muster(rig, [], 8, busChannel)
        const consumer = { deadly: 3, attempts: 3, concurrency: 4 }
        const producer = await crew.start('p0', 'bus-produce', { count: 10, keys: 5 })
        await producer.done()
        const isDone = async (): Promise<boolean> => {
          const rows = await transport.admin.groups(busChannel)
          return rows.length > 0 && rows.every(({ backlog }) => backlog === 0)
        }
        // However long a starved machine needs to start one: it dies, or all is handled.
        let deaths = 0
        for (let done = false; deaths < 8 && !done; ) {
          const member = crew.launch(`c${deaths}`, 'bus-consume', consumer)
          let died = false
          while (!died && !done) {
            died = await member.died(500)
            done = !died && (await isDone())
          }
          if (died) deaths++
        }
        await drained()
        const dead = await transport.admin.deadLetters(busChannel, 'g', {})
        assert.equal(dead.length, 1)
        assert.ok(String(dead[0]?.envelope.body).includes('"seq":3'))
        // A floor: each death may hide one attempt.
        assert.ok(deaths >= 3 && deaths <= 6, `${deaths} deaths with 3 attempts`)
      },
    },
    {
      name: 'partitions are added while processes consume',
      needs: (facts) => (facts.partitions === 'growing' ? undefined : 'the number of partitions is fixed'),
      timeoutMs: 90_000,
      async run(rig) {
        const { crew, drained, judge, transport } = await muster(rig, ['g'], 4)
        await Promise.all([crew.start('c1', 'consume', { workMs: 1 }), crew.start('c2', 'consume', { workMs: 1 })])
        const producer = await crew.start('p1', 'produce', { count: 1_000, pauseMs: 5 })
        for (const partitions of [6, 12]) {
          await new Promise((resolve) => setTimeout(resolve, 100))
          await transport.declare({ channels: [{ name: 'c', kind: 'events', partitions }], groups: [] })
        }
        await producer.done()
        await drained()
        await judge({ groups: { c: ['g'] } })
      },
    },
  ],
}

/** Frozen inside a write, a member of a shared file holds its lock and stops everybody: then again, a moment later. */
async function freezeOutsideTransaction(member: ProcessMember, transport: Transport): Promise<void> {
  for (;;) {
    member.freeze()
    const writes = transport.admin.removeSchedule('none').then(() => true)
    const free = await Promise.race([writes, new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 1_000))])
    if (free) return
    member.thaw()
    await writes
  }
}

interface Muster {
  readonly crew: Crew
  readonly transport: Awaited<ReturnType<Rig['open']>>
  /** Resolves when no group has a backlog. */
  readonly drained: () => Promise<void>
  /** Stops everybody, and reads the history: no invariant may be violated. */
  readonly judge: (scope: HistoryScope) => Promise<readonly HistoryEvent[]>
}

async function muster(rig: Rig, groups: readonly string[], partitions = 8, channel = 'c'): Promise<Muster> {
  const { member } = rig.place
  assert.ok(member, 'the suite was told how member processes find the transport')
  const transport = await rig.channel({ groups, partitions })
  const folder = await mkdtemp(join(tmpdir(), 'sluice-history-'))
  const crew = new Crew(join(folder, 'history.jsonl'), { ...member, url: rig.place.url, options: rig.place.options ?? {} })
  rig.onClose(async () => {
    await crew.close()
    await rm(folder, { recursive: true, force: true })
  })
  return {
    crew,
    transport,
    drained: async () =>
      void (await eventually(
        () => transport.admin.groups(channel),
        (list) => list.every((group) => group.backlog === 0),
        'everything to be handled',
        60_000,
      )),
    judge: async (scope) => {
      await crew.close()
      const events = crew.history()
      const violations = checkHistory(events, scope)
      assert.deepEqual(violations.slice(0, 5), [], `${violations.length} violations in ${events.length} lines`)
      assert.ok(
        events.some((event) => event.f === 'accept'),
        'something was handled',
      )
      return events
    },
  }
}
