/**
 * Faults of a server and of the network to it, under load: keyed messages with retries from two buses that publish to two
 * groups of two processes each, judged by their history as deaths are. The server is the case's own.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom, systemClock, type Transport } from '@sluice/core/transport'
import { busChannel, Crew } from '../crash/index.ts'
import { checkHistory } from '../history/index.ts'
import { eventually } from '../probe/probe.ts'
import type { ConformanceOptions } from '../suite/suite.ts'
import type { Fault } from './fault.ts'
import { FaultProxy } from './proxy.ts'
import { recovery } from './recovery.ts'

/** Messages of a run. */
export const messagesDefault = 1_500
const strikesDefault = 12
const groups = ['g', 'h']

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What every server and network does to its clients sooner or later. */
export const faults: readonly Fault[] = [
  {
    name: 'the server is killed and starts again',
    kills: true,
    strikes: 3,
    async strike({ server, random }) {
      await wait(400 + random() * 600)
      await server.kill()
      await wait(random() * 1_500)
      await server.up()
    },
  },
  {
    name: 'connections are reset',
    async strike({ proxy, random }) {
      await wait(100 + random() * 500)
      proxy.cut()
    },
  },
  {
    name: 'the server hears and is not heard, then the connection breaks',
    strikes: 6,
    async strike({ proxy, random }) {
      await wait(200 + random() * 400)
      proxy.weather = { deafClient: true }
      await wait(20 + random() * 300)
      proxy.cut()
      proxy.weather = {}
    },
  },
  {
    name: 'half-open: nobody hears anybody for longer than a lease, and nobody is told',
    strikes: 1,
    async strike({ proxy, random }) {
      await wait(200 + random() * 400)
      proxy.weather = { deafClient: true, deafServer: true }
      await wait(4_000)
      proxy.cut()
      proxy.weather = {}
    },
  },
  {
    name: 'a slow line that delivers byte by byte',
    strikes: 3,
    share: 0.2,
    async strike({ proxy, random }) {
      proxy.weather = { latencyMs: Math.floor(random() * 20), sliceBytes: 1 }
      await wait(1_000)
      proxy.weather = {}
    },
  },
]

/** What becomes of a cluster of three: its nodes go and come, and each is the leader of something. */
export const clusterFaults: readonly Fault[] = [
  {
    name: 'a node is killed and comes back, one after the other',
    strikes: 3,
    async strike({ server, random }) {
      const node = 1 + Math.floor(random() * 3)
      await wait(1_000 + random() * 1_000)
      await server.kill(node)
      await wait(1_000 + random() * 4_000)
      await server.up()
    },
  },
  {
    name: 'a rolling restart',
    strikes: 1,
    async strike({ server }) {
      for (const node of [3, 2, 1]) {
        await server.restart(node)
        await wait(1_000)
      }
    },
  },
]

/** What a run showed. */
export interface FaultFigures {
  readonly messages: number
  readonly strikes: number
  readonly confirmed: number
  readonly handlerRuns: number
  /** Longest time after a strike until sending and every group went on, ms. */
  readonly recoveryMs: number
}

/** Runs one fault against `count` messages; rejects with the violations found. */
export async function runFault(options: ConformanceOptions, fault: Fault, count: number, seed: number): Promise<FaultFigures> {
  const { member, server: startServer } = options
  assert.ok(member !== undefined && startServer !== undefined, 'the suite was told how processes find the transport, and how to start a server')
  const server = await startServer()
  // Of several hosts the first one is behind the proxy.
  const [, before = '', host = '', port = '', after = ''] = /^([^/]*\/\/(?:[^@/]*@)?)([^:,/?]*):(\d+)(.*)$/.exec(server.url) ?? []
  const proxy = await FaultProxy.to(host, Number(port))
  const folder = await mkdtemp(join(tmpdir(), 'sluice-faults-'))
  const through = `${before}127.0.0.1:${proxy.port}${after}`
  const crew = new Crew(join(folder, 'history.jsonl'), { ...member, url: through, options: options.options ?? {} })
  const random = seededRandom(seed)
  let judge: Transport | undefined
  let noting: NodeJS.Timeout | undefined
  try {
    const consumer = { workMs: 1, failEvery: 11, concurrency: 16, ...(fault.reported === undefined ? {} : { reported: fault.reported }) }
    await Promise.all([...'ab'].flatMap((n) => [crew.start(`g${n}`, 'bus-consume', consumer), crew.start(`h${n}`, 'bus-consume', { ...consumer, group: 'h' })]))
    if (fault.kills === true && options.settledMs !== undefined) {
      // Enough that whatever is made when it is first needed is made now.
      await (await crew.start('w', 'bus-produce', { count: 600, keys: 40, batch: 60 })).done(60_000)
      await wait(options.settledMs)
    }
    const each = Math.ceil((count * (fault.share ?? 1)) / 2)
    const producers = await Promise.all([...'pq'].map((n) => crew.start(n, 'bus-produce', { count: each, keys: 40, batch: 20, pauseMs: 80 })))
    let sending = true
    const sent = Promise.all(producers.map((producer) => producer.done(60_000 + each * 20))).finally(() => {
      sending = false
    })
    const note = (): void => crew.recorder.record({ type: 'ok', f: 'fault', fault: 'restart' })
    const strikesMax = Math.ceil(((fault.strikes ?? strikesDefault) * count) / messagesDefault)
    let strikes = 0
    let recoveryMs = 0
    for (; strikes < strikesMax && (sending || strikes === 0); strikes++) {
      // Its consequences (a lease that runs out meanwhile) may come while it lasts and after it.
      noting = setInterval(note, 50)
      note()
      await fault.strike({ proxy, server, random })
      // The next one strikes what has recovered: on a machine that needs longer for that than strikes take to come, nobody ever would.
      recoveryMs = Math.max(
        recoveryMs,
        await recovery(
          () => crew.progress(),
          ['send', ...groups],
          () => sending,
        ),
      )
      clearInterval(noting)
      note()
    }
    noting = setInterval(note, 200)
    await sent
    judge = await options.transport.open(server.url, {
      clock: systemClock,
      service: 'judge',
      instanceId: 'judge',
      report: () => undefined,
      options: options.options ?? {},
    })
    const { admin } = judge
    const all = (): ReturnType<typeof admin.groups> => admin.groups(busChannel)
    await eventually(all, (rows) => rows.length === 2 && rows.every(({ backlog }) => backlog === 0), 'everything to be handled after the fault', 60_000)
    clearInterval(noting)
    await crew.close()
    const events = crew.history()
    const violations = checkHistory(events, { groups: { [busChannel]: groups }, settlementConfirmed: false })
    assert.deepEqual(violations.slice(0, 5), [], `${violations.length} violations in ${events.length} lines`)
    return {
      messages: each * 2,
      strikes,
      confirmed: events.filter(({ f, type }) => f === 'send' && type === 'ok').length,
      handlerRuns: events.filter(({ f, type }) => f === 'deliver' && type === 'invoke').length,
      recoveryMs,
    }
  } finally {
    clearInterval(noting)
    await judge?.close()
    await crew.close()
    await proxy.close()
    await server.down()
    await rm(folder, { recursive: true, force: true })
  }
}
