/**
 * Complete runs of the suite, one file a transport, kept in `packages/conformance/recorded`: what the page of guarantees is
 * made of, without a server. Its first line is the run, every other one a case.
 */
import type { TransportFacts } from '@sluice/core/transport'
import type { Subject } from '../suite/case.ts'
import type { CaseResult } from './results.ts'

/** Facts as they are kept: JSON has no Infinity, `null` stands for it. */
export type RecordedFacts = Readonly<Record<string, unknown>> & Pick<TransportFacts, 'name' | 'serverVersion' | 'notes'>

/** One case of a kept run. */
export type RecordedCase = Pick<CaseResult, 'subject' | 'name' | 'outcome' | 'reason' | 'messages'>

/** A complete run. */
export interface Recorded {
  readonly transport: string
  /** Day of the run, `2026-11-21`. */
  readonly day: string
  readonly facts: RecordedFacts
  /** In the order of the suite. */
  readonly cases: readonly RecordedCase[]
}

/** Reads results as `recordResult` appended them. */
export function readResults(text: string): readonly CaseResult[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as CaseResult)
}

/**
 * The run of one transport among results; the last run of a case counts. What was not run is taken from `before`, an earlier
 * run. Throws with the cases that are missing or failed.
 */
export function recordedFrom(results: readonly CaseResult[], transport: string, subjects: readonly Subject[], day: string, before?: Recorded): Recorded {
  const own = results.filter((result) => result.transport === transport)
  const facts = own.find((result) => result.facts !== undefined)?.facts
  if (facts === undefined) throw new Error(`${transport}: not run`)
  const cases: RecordedCase[] = []
  const faults: string[] = []
  for (const [subject, { name }] of eachCase(subjects)) {
    const same = (each: RecordedCase): boolean => each.subject === subject && each.name === name
    const result = own.findLast(same) ?? before?.cases.find(same)
    if (result === undefined) faults.push(`not run: ${subject}: ${name}`)
    else if (result.outcome === 'fail') faults.push(`failed: ${subject}: ${name}`)
    else {
      const { outcome, reason, messages } = result
      cases.push({ subject, name, outcome, ...(reason === undefined ? {} : { reason }), ...(messages === undefined ? {} : { messages }) })
    }
  }
  if (faults.length > 0) throw new Error(`${transport}:\n  ${faults.join('\n  ')}`)
  return { transport, day, facts: JSON.parse(JSON.stringify(facts)) as RecordedFacts, cases }
}

/** What is different in a later run, dates and patch versions aside; empty: nothing. */
export function differences(kept: Recorded, fresh: Recorded): readonly string[] {
  const found: string[] = []
  const tell = (what: string, before: unknown, now: unknown): void => {
    if (steady(before) !== steady(now)) found.push(`${kept.transport}: ${what} was ${steady(before)} and is ${steady(now)}`)
  }
  for (const name of new Set([...Object.keys(kept.facts), ...Object.keys(fresh.facts)])) tell(`fact ${name}`, kept.facts[name], fresh.facts[name])
  const labelled = ({ cases }: Recorded) =>
    new Map(cases.map(({ subject, name, outcome, reason, messages }) => [`${subject}: ${name}`, { outcome, reason, messages }]))
  const before = labelled(kept)
  const now = labelled(fresh)
  for (const label of new Set([...before.keys(), ...now.keys()])) tell(label, before.get(label), now.get(label))
  return found
}

// 7.0.15 and 7.0.16 are the same; and so are Infinity and what JSON makes of it.
function steady(value: unknown): string {
  return (JSON.stringify(value) ?? 'not there').replaceAll(/(\d+\.\d+)\.\d+/g, '$1')
}

/** As it is kept in a file. */
export function recordedToText({ cases, ...run }: Recorded): string {
  return [run, ...cases].map((line) => `${JSON.stringify(line)}\n`).join('')
}

export function recordedFromText(text: string): Recorded {
  const [first = '{}', ...lines] = text.trimEnd().split('\n')
  const run = JSON.parse(first) as Omit<Recorded, 'cases'>
  return { ...run, cases: lines.map((line) => JSON.parse(line) as RecordedCase) }
}

function eachCase(subjects: readonly Subject[]): readonly (readonly [subject: string, each: Subject['cases'][number]])[] {
  return subjects.flatMap((subject) => subject.cases.map((each) => [subject.name, each] as const))
}
