/**
 * A fault under load: keyed messages with retries from two buses that publish to two groups of two processes each, judged by
 * their history as deaths are. The server is the case's own.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom, systemClock } from '@sluice/core/transport'
import { busChannel, Crew, type MemberModule, type ProcessMember } from '../crash/index.ts'
import { checkHistory } from '../history/index.ts'
import { eventually } from '../probe/probe.ts'
import type { ConformanceOptions } from '../suite/suite.ts'
import type { Fault } from './fault.ts'
import type { OwnServer } from './own-server.ts'
import { FaultProxy } from './proxy.ts'
import { recovery } from './recovery.ts'

/** Messages of a run. */
export const messagesDefault = 1_500
const strikesDefault = 12
/** No strike begins later, ms: a server that needs 10 s to start again would be struck for longer than a test may last. */
const strikingMsMax = 140_000
/** Runs of so many messages end with a calm: every lease and time-out of the last strike is over, and nothing comes again. */
const calmFromMessages = 10_000
const calmAfterMs = 10_000
const groups = ['g', 'h']

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

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
  const run = await FaultRun.of(options, member, await startServer(), fault)
  try {
    return await run.judge(count, seed)
  } finally {
    await run.end()
  }
}

class FaultRun {
  readonly #options: ConformanceOptions
  readonly #fault: Fault
  readonly #server: OwnServer
  readonly #proxy: FaultProxy
  readonly #folder: string
  readonly #crew: Crew
  #noting: NodeJS.Timeout | undefined
  #sending = false

  private constructor(options: ConformanceOptions, fault: Fault, server: OwnServer, proxy: FaultProxy, folder: string, crew: Crew) {
    this.#options = options
    this.#fault = fault
    this.#server = server
    this.#proxy = proxy
    this.#folder = folder
    this.#crew = crew
  }

  static async of(options: ConformanceOptions, member: MemberModule, server: OwnServer, fault: Fault): Promise<FaultRun> {
    // Of several hosts the first one is behind the proxy.
    const [, before = '', host = '', port = '', after = ''] = /^([^/]*\/\/(?:[^@/]*@)?)([^:,/?]*):(\d+)(.*)$/.exec(server.url) ?? []
    const proxy = await FaultProxy.to(host, Number(port))
    const folder = await mkdtemp(join(tmpdir(), 'sluice-faults-'))
    const place = { ...member, url: `${before}127.0.0.1:${proxy.port}${after}`, options: options.options ?? {} }
    return new FaultRun(options, fault, server, proxy, folder, new Crew(join(folder, 'history.jsonl'), place))
  }

  async judge(count: number, seed: number): Promise<FaultFigures> {
    await this.#startConsumers()
    const each = Math.ceil((count * (this.#fault.share ?? 1)) / 2)
    const producers = await Promise.all([...'pq'].map((name) => this.#produce(name, each, 80)))
    this.#sending = true
    const sent = Promise.all(producers.map((producer) => producer.done(strikingMsMax + 30_000 + each * 10))).finally(() => {
      this.#sending = false
    })
    // It is waited for below; a strike that fails first is what is to be told.
    sent.catch(() => undefined)
    const { strikes, recoveryMs } = await this.#strike(count, seed)
    await sent
    await this.#handled()
    const calmFrom = count < calmFromMessages ? Number.POSITIVE_INFINITY : await this.#calm(Math.ceil(each / 5))
    clearInterval(this.#noting)
    await this.#crew.close()
    const events = this.#crew.history()
    const cries = events.filter(({ i, f }) => f === 'fault' && i >= calmFrom)
    assert.deepEqual(cries.slice(0, 5), [], 'nobody was struck any more, and members report that they lost what they held')
    const violations = checkHistory(events, { groups: { [busChannel]: groups }, settlementConfirmed: false })
    assert.deepEqual(violations.slice(0, 5), [], `${violations.length} violations in ${events.length} lines`)
    const confirmed = events.filter(({ f, type }) => f === 'send' && type === 'ok').length
    const handlerRuns = events.filter(({ f, type }) => f === 'deliver' && type === 'invoke').length
    return { messages: each * 2, strikes, confirmed, handlerRuns, recoveryMs }
  }

  async end(): Promise<void> {
    clearInterval(this.#noting)
    await this.#crew.close()
    await this.#proxy.close()
    await this.#server.down()
    await rm(this.#folder, { recursive: true, force: true })
  }

  #produce(name: string, count: number, pauseMs: number): Promise<ProcessMember> {
    return this.#crew.start(name, 'bus-produce', { count, keys: 40, batch: 20, pauseMs })
  }

  async #startConsumers(): Promise<void> {
    const { kills, reported } = this.#fault
    const { settledMs } = this.#options
    const consumer = { workMs: 1, failEvery: 11, concurrency: 16, ...(reported === undefined ? {} : { reported }) }
    const start = (n: string): Promise<ProcessMember>[] => groups.map((group) => this.#crew.start(`${group}${n}`, 'bus-consume', { ...consumer, group }))
    await Promise.all([...'ab'].flatMap(start))
    if (kills !== true || settledMs === undefined) return
    // Enough that whatever is made when it is first needed is made now.
    await (await this.#crew.start('w', 'bus-produce', { count: 600, keys: 40, batch: 60 })).done(60_000)
    await wait(settledMs)
  }

  /** From now on whatever comes again may do so because of the fault: its consequences, such as a lease that runs out, come while it lasts and after it. */
  #excuse(everyMs: number): void {
    clearInterval(this.#noting)
    const note = (): void => this.#crew.recorder.record({ type: 'ok', f: 'fault', fault: 'restart' })
    note()
    this.#noting = setInterval(note, everyMs)
  }

  async #strike(count: number, seed: number): Promise<{ readonly strikes: number; readonly recoveryMs: number }> {
    const random = seededRandom(seed)
    const strikesMax = Math.ceil(((this.#fault.strikes ?? strikesDefault) * count) / messagesDefault)
    const startedAt = performance.now()
    let strikes = 0
    let recoveryMs = 0
    for (; strikes < strikesMax && (this.#sending || strikes === 0) && performance.now() - startedAt < strikingMsMax; strikes++) {
      this.#excuse(50)
      await this.#fault.strike({ proxy: this.#proxy, server: this.#server, random })
      // The next one strikes what has recovered: on a machine that needs longer for that than strikes take to come, nobody ever would.
      const tookMs = await recovery(
        () => this.#crew.progress(),
        ['send', ...groups],
        () => this.#sending,
      )
      recoveryMs = Math.max(recoveryMs, tookMs)
    }
    this.#excuse(200)
    return { strikes, recoveryMs }
  }

  /** Everything that was sent is handled in every group. */
  async #handled(): Promise<void> {
    const judge = await this.#options.transport.open(this.#server.url, {
      clock: systemClock,
      service: 'judge',
      instanceId: 'judge',
      report: () => undefined,
      options: this.#options.options ?? {},
    })
    try {
      const all = (): ReturnType<typeof judge.admin.groups> => judge.admin.groups(busChannel)
      await eventually(all, (rows) => rows.length === 2 && rows.every(({ backlog }) => backlog === 0), 'everything to be handled after the fault', 60_000)
    } finally {
      await judge.close()
    }
  }

  /** Sends so many when nothing that was done explains any more that something comes again. The first line of that in the history. */
  async #calm(count: number): Promise<number> {
    await wait(calmAfterMs)
    clearInterval(this.#noting)
    const from = this.#crew.history().length
    await (await this.#produce('c', count, 20)).done(60_000)
    await this.#handled()
    return from
  }
}
