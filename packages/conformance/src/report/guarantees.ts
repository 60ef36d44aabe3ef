import type { Subject } from '../suite/case.ts'
import type { CaseResult } from './results.ts'

const marks = { pass: '✓', fail: '✗ fails', cannot: 'cannot', skipped: '–' } as const

/** The page `docs/reference/guarantees.md`: transports × facts, transports × cases, and the reasons of what is left out. */
export function guaranteesPage(results: readonly CaseResult[], subjects: readonly Subject[]): string {
  const transports = [...new Set(results.map((result) => result.transport))].sort()
  const reasons: string[] = []
  const lines = [
    '# What each transport guarantees',
    '',
    'Made from runs of the conformance suite; do not edit. A ✓ is a case that passed; *cannot* is one that the transport’s facts',
    'rule out and that was proven to be refused, not done badly; – was left out. The numbers lead to the reasons below.',
    '',
    '```sh',
    'SLUICE_CONFORMANCE_RESULTS=/tmp/results.jsonl node --test packages/conformance/test/*.test.ts',
    'node packages/conformance/src/report/main.ts /tmp/results.jsonl docs/reference/guarantees.md',
    '```',
    '',
    ...factsTable(results, transports),
  ]
  for (const subject of subjects) {
    lines.push('', `## ${subject.name[0]?.toUpperCase()}${subject.name.slice(1)}`, '', ...tableHead('case', transports))
    for (const { name } of subject.cases) {
      const cells = transports.map((transport) => {
        const result = results.findLast((each) => each.transport === transport && each.subject === subject.name && each.name === name)
        return result === undefined ? 'not run' : cell(result, reasons)
      })
      lines.push(`| ${name.replaceAll('|', '\\|')} | ${cells.join(' | ')} |`)
    }
  }
  lines.push('', '## Reasons', '', ...(reasons.length === 0 ? ['None: nothing was left out.'] : reasons.map((reason, i) => `${i + 1}. ${reason}`)), '')
  return lines.join('\n')
}

function factsTable(results: readonly CaseResult[], transports: readonly string[]): string[] {
  const facts = transports.map((transport) => results.find((result) => result.transport === transport)?.facts)
  const names = Object.keys(facts[0] ?? {}).filter((name) => name !== 'name' && name !== 'notes' && name !== 'serverVersion')
  const rows = names.map((name) => `| \`${name}\` | ${facts.map((each) => show(each === undefined ? undefined : Reflect.get(each, name))).join(' | ')} |`)
  const notes = transports.flatMap((transport, i) => (facts[i]?.notes ?? []).map((note) => `- ${transport}: ${note}`))
  return ['## Facts', '', ...tableHead('fact', transports), ...rows, ...(notes.length === 0 ? [] : ['', ...notes])]
}

function tableHead(first: string, transports: readonly string[]): string[] {
  return [`| ${first} | ${transports.join(' | ')} |`, `| --- |${' --- |'.repeat(transports.length)}`]
}

function cell(result: CaseResult, reasons: string[]): string {
  if (result.reason === undefined) return marks[result.outcome]
  const text = `${result.transport}: ${result.reason}.`
  if (!reasons.includes(text)) reasons.push(text)
  return `${marks[result.outcome]} [${reasons.indexOf(text) + 1}](#reasons)`
}

function show(value: unknown): string {
  // JSON has no Infinity.
  if (value === Number.MAX_SAFE_INTEGER || value === Number.POSITIVE_INFINITY || value === null) return 'unbounded'
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([name, part]) => `${name} ${show(part)}`)
      .join(', ')
  }
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  return typeof value === 'number' ? value.toLocaleString('en') : String(value)
}
