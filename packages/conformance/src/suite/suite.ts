import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Transport, TransportFactory, TransportFacts } from '@sluice/core/transport'
import type { MemberModule } from '../crash/index.ts'
import type { Fault } from '../faults/fault.ts'
import type { OwnServer } from '../faults/own-server.ts'
import { type CaseResult, recordResult } from '../report/results.ts'
import type { ConformanceCase, Subject } from './case.ts'
import { type BeginTransaction, type Place, Rig } from './rig.ts'

/** What the suite must know of the transport that it judges. */
export interface ConformanceOptions {
  /** For the report: `memory`, `file`, `kafka 4.1`. */
  readonly name: string
  readonly transport: TransportFactory
  /** A URL of a place that nothing else uses; called once a case. `dispose` removes it. */
  readonly url: () => Promise<{ readonly url: string; readonly dispose?: () => Promise<void> }>
  /** Facts that must come true: a transport that states less than it should fails. */
  readonly facts?: Partial<TransportFacts>
  /** Passed to the transport as `connect` options, e.g. a shorter lease, so that a death is noticed while one waits. */
  readonly options?: Readonly<Record<string, unknown>>
  /**
   * Module and export of the factory, for cases with processes of their own that join by the same URL. Without it (a
   * transport that lives in one process) those cases are left out.
   */
  readonly member?: MemberModule
  /** Simulates a death inside this process, where the transport can. */
  readonly crash?: (transport: Transport) => void
  /** Begins a transaction of the application; needed where the fact `transaction` is not `none`. */
  readonly transaction?: BeginTransaction
  /** Cases left out, by name, each with the reason. */
  readonly skip?: Readonly<Record<string, string>>
  /** Starts a server of the case's own, which may be killed; without it the part `faults` is left out. */
  readonly server?: () => Promise<OwnServer>
  /** Faults of that part. Default: those of one server and of the network to it. */
  readonly faults?: readonly Fault[]
  /** How old what the server itself makes must be to survive its `kill -9`, where it promises less than it says, ms. Default 0. */
  readonly settledMs?: number
  /** Messages of each case of the part `faults`. Default 1,500. */
  readonly faultMessages?: number
  /**
   * `short`: cases that are many messages long send fewer, check all the same, and their results say how many; `what is
   * shortened`: only those, whole. Default `whole`.
   */
  readonly size?: 'whole' | 'short' | 'what is shortened'
  /** Parts of the suite to register here, e.g. to run them in several test files at once. Default: all. */
  readonly parts?: readonly ('transport' | 'bus' | 'processes' | 'faults')[]
  /** Cases at once. Default 4; of those with processes of their own 1. */
  readonly concurrency?: number
}

/** Registers a node:test case for each conformance case. */
export function register(options: ConformanceOptions, title: string, subjects: readonly Subject[]): void {
  describe(title, { concurrency: options.concurrency ?? 4 }, () => {
    for (const subject of subjects) {
      for (const each of subject.cases) {
        if (options.size === 'what is shortened' && each.messages === undefined) continue
        test(`${subject.name}: ${each.name}`, { timeout: each.timeoutMs ?? 30_000 }, (t) => runCase(options, subject, each, t))
      }
    }
  })
}

async function runCase(options: ConformanceOptions, subject: Subject, each: ConformanceCase, t: TestContext): Promise<void> {
  const { url, dispose } = await options.url()
  const place: Place = {
    factory: options.transport,
    url,
    crash: options.crash,
    member: options.member,
    transaction: options.transaction,
    ...(options.options === undefined ? {} : { options: options.options }),
  }
  const rig = new Rig(place)
  const messages = each.messages?.[options.size === 'short' ? 'short' : 'whole'] ?? 0
  const result: { outcome: CaseResult['outcome']; reason?: string; messages?: number } = { outcome: 'fail' }
  try {
    const { facts } = await rig.open()
    for (const [name, value] of Object.entries(options.facts ?? {})) assert.deepEqual(Reflect.get(facts, name), value, `fact ${name}`)
    const lacking = reasonAgainst(options, subject, each, facts)
    if (lacking === undefined) {
      if (options.size === 'short' && messages > 0) {
        t.diagnostic(`short: ${messages} messages`)
        result.messages = messages
      }
      await each.run(rig, messages)
      result.outcome = 'pass'
      return
    }
    result.reason = lacking
    if (each.refused === undefined || options.skip?.[each.name] !== undefined) {
      result.outcome = 'skipped'
      t.skip(lacking)
      return
    }
    t.diagnostic(`cannot: ${lacking}; that it is refused is proven`)
    await each.refused(rig)
    result.outcome = 'cannot'
  } finally {
    if (rig.isOpen) recordResult({ transport: options.name, subject: subject.name, name: each.name, ...result, facts: rig.facts })
    await rig.close()
    await dispose?.()
  }
}

function reasonAgainst(options: ConformanceOptions, subject: Subject, each: ConformanceCase, facts: TransportFacts): string | undefined {
  const skipped = options.skip?.[each.name]
  if (skipped !== undefined) return skipped
  if (subject.ownProcesses === true && options.member === undefined) return 'it lives in one process'
  return each.needs?.(facts) ?? (each.crashes === true && options.crash === undefined ? noCrash : undefined)
}

const noCrash = 'a death cannot be simulated inside one process here; the runs with several processes kill real ones'
