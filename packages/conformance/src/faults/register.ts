import { describe, test } from 'node:test'
import { recordResult } from '../report/results.ts'
import type { ConformanceOptions } from '../suite/suite.ts'
import { faults } from './faults.ts'
import { messagesDefault, runFault } from './run-fault.ts'

/** Registers a node:test case for each fault, one at a time: each has a server and six processes of its own. */
export function registerFaults(options: ConformanceOptions): void {
  const reason = options.server === undefined || options.member === undefined ? 'no server of its own can be started here' : false
  const seed = Number(process.env.SEED ?? 1)
  describe(`${options.name}: faults`, { concurrency: 1 }, () => {
    for (const fault of options.faults ?? faults) {
      if (reason !== false) recordResult({ transport: options.name, subject: 'faults', name: fault.name, outcome: 'skipped', reason })
      test(`faults: ${fault.name}`, { timeout: 300_000, skip: reason }, async (t) => {
        const result = { transport: options.name, subject: 'faults', name: fault.name }
        recordResult({ ...result, outcome: 'fail' })
        const { messages, strikes, confirmed, handlerRuns, recoveryMs } = await runFault(options, fault, options.faultMessages ?? messagesDefault, seed)
        t.diagnostic(
          `seed ${seed}: ${strikes} strikes, ${messages} messages, ${confirmed} confirmed, ${handlerRuns} handler runs, going on ${Math.round(recoveryMs)} ms after a strike at the latest`,
        )
        recordResult({ ...result, outcome: 'pass' })
      })
    }
  })
}
