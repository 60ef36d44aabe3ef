import { describe, type TestContext, test } from 'node:test'
import type { Transport, TransportFactory, TransportFacts } from '@sluice/core/transport'
import type { MemberModule } from '../crash/index.ts'
import type { ConformanceCase, Subject } from './case.ts'
import { type Place, Rig } from './rig.ts'

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
  /** Cases left out, by name, each with the reason. */
  readonly skip?: Readonly<Record<string, string>>
  /** Cases at once. Default 4. */
  readonly concurrency?: number
}

/** Registers a node:test case for each conformance case. */
export function register(options: ConformanceOptions, title: string, subjects: readonly Subject[]): void {
  describe(title, { concurrency: options.concurrency ?? 4 }, () => {
    for (const subject of subjects) {
      for (const each of subject.cases) test(`${subject.name}: ${each.name}`, { timeout: each.timeoutMs ?? 30_000 }, (t) => runCase(options, each, t))
    }
  })
}

async function runCase(options: ConformanceOptions, each: ConformanceCase, t: TestContext): Promise<void> {
  const skipped = options.skip?.[each.name]
  if (skipped !== undefined) return t.skip(skipped)
  const { url, dispose } = await options.url()
  const place: Place = {
    factory: options.transport,
    url,
    crash: options.crash,
    member: options.member,
    ...(options.options === undefined ? {} : { options: options.options }),
  }
  const rig = new Rig(place)
  try {
    const { facts } = await rig.open()
    const lacking =
      each.needs?.(facts) ??
      (each.crashes === true && options.crash === undefined
        ? 'a death cannot be simulated inside one process here; the runs with several processes kill real ones'
        : undefined)
    if (lacking === undefined) await each.run(rig)
    else if (each.refused === undefined) t.skip(lacking)
    else {
      t.diagnostic(`cannot: ${lacking}; that it is refused is proven`)
      await each.refused(rig)
    }
  } finally {
    await rig.close()
    await dispose?.()
  }
}
