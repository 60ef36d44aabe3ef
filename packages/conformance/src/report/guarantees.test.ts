import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { MemoryTransport, memoryTransport, systemClock, type TransportFacts } from '@sluice/core/transport'
import { chinese } from './chinese.ts'
import { guaranteesPage } from './guarantees.ts'
import { keptRuns, pages } from './pages.ts'
import { differences, recordedFrom, recordedFromText, recordedToText } from './recorded.ts'
import type { CaseResult } from './results.ts'

const subjects = [
  { name: 'sending', cases: [{ name: 'one', run: async () => {} }] },
  { name: 'lot', cases: [{ name: 'two', run: async () => {} }] },
]

async function memoryFacts(): Promise<TransportFacts> {
  const transport = await memoryTransport.open('memory:', { clock: systemClock, service: 's', instanceId: 'i', report() {}, options: {} })
  assert.ok(transport instanceof MemoryTransport)
  await transport.close()
  return transport.facts
}

async function results(transport: string): Promise<readonly CaseResult[]> {
  const facts = await memoryFacts()
  return [
    { transport, subject: 'sending', name: 'one', outcome: 'fail', facts },
    { transport, subject: 'sending', name: 'one', outcome: 'pass', facts },
    { transport, subject: 'lot', name: 'two', outcome: 'cannot', reason: 'it has one', facts },
  ]
}

test('the page shows what passed, what cannot, and why something was left out; the last run of a case counts', async () => {
  const a = recordedFrom(await results('a'), 'a', subjects, '2026-11-21')
  const b = recordedFromText(recordedToText({ ...a, transport: 'b', cases: a.cases.slice(0, 1) }))
  const page = guaranteesPage([a, b], 'en')
  assert.ok(page.includes('| one | ✓ | ✓ |'), page)
  assert.ok(page.includes('| two | cannot [1](#reasons) | not run |'), page)
  assert.ok(page.includes('1. a: it has one.'))
  assert.ok(page.includes('| `confirm` | process | process |'))
  assert.ok(page.includes('| server, day of the run | 1, 2026-11-21 | 1, 2026-11-21 |'))
  const inChinese = guaranteesPage([a, b], 'zh')
  assert.ok(inChinese.includes('1. a：它有停放区。'), inChinese)
  assert.ok(inChinese.includes('| two | 不能 [1](#原因) | 未运行 |'))
})

test('a short run says beside its mark how many messages it had, and counts as another run than a whole one', async () => {
  const all = await results('a')
  const short = recordedFrom([...all, { ...(all[1] as CaseResult), messages: 1_000 }], 'a', subjects, '2026-11-21')
  assert.ok(guaranteesPage([recordedFromText(recordedToText(short))], 'en').includes('| one | ✓ (1,000 messages) |'))
  assert.ok(guaranteesPage([short], 'zh').includes('| one | ✓（1,000 条消息） |'))
  assert.equal(differences(recordedFrom(all, 'a', subjects, '2026-11-21'), short).length, 1)
})

test('a run that has a failure is not kept, nor one that is not complete, unless an earlier run completes it', async () => {
  const all = await results('a')
  assert.throws(() => recordedFrom(all.slice(0, 2), 'a', subjects, '2026-11-21'), /not run: lot: two/)
  const earlier = recordedFrom(all, 'a', subjects, '2026-11-20')
  assert.deepEqual(recordedFrom(all.slice(0, 2), 'a', subjects, '2026-11-21', earlier), { ...earlier, day: '2026-11-21' })
  assert.throws(() => recordedFrom([...all, { ...(all[0] as CaseResult) }], 'a', subjects, '2026-11-21'), /failed: sending: one/)
  assert.throws(() => recordedFrom(all, 'b', subjects, '2026-11-21'), /b: not run/)
})

test('a later run is compared: outcomes, reasons and facts count, dates and patch versions do not', async () => {
  const kept = recordedFrom(await results('a'), 'a', subjects, '2026-11-21')
  const server = (serverVersion: string) => ({ ...kept, day: '2027-01-01', facts: { ...kept.facts, serverVersion } })
  assert.deepEqual(differences(server('7.0.15'), server('7.0.16')), [])
  assert.deepEqual(differences(server('7.0.15'), server('7.2.0')), ['a: fact serverVersion was "7.0" and is "7.2"'])
  const [one, two] = kept.cases
  assert.ok(one && two)
  assert.deepEqual(differences(kept, { ...kept, cases: [one, { ...two, reason: 'other' }] }), [
    'a: lot: two was {"outcome":"cannot","reason":"it has one"} and is {"outcome":"cannot","reason":"other"}',
  ])
  assert.deepEqual(differences(kept, { ...kept, facts: { ...kept.facts, replay: false } }), ['a: fact replay was true and is false'])
  assert.deepEqual(differences({ ...kept, cases: [one] }, kept), ['a: lot: two was not there and is {"outcome":"cannot","reason":"it has one"}'])
})

test('the pages are made of the runs that are kept (if not: npm run guarantees -w @sluice/conformance -- pages)', () => {
  for (const { path, text } of pages(keptRuns())) assert.ok(readFileSync(path, 'utf8') === text, `${path} is stale`)
})

test('the Chinese page has every subject, case, reason and note', () => {
  const runs = keptRuns()
  const notes = runs.flatMap(({ facts }) => facts.notes.map((note) => note.replace(/\.$/, '')))
  const ofCases = runs.flatMap(({ cases }) => cases.flatMap(({ subject, name, reason }) => [subject, name, ...(reason === undefined ? [] : [reason])]))
  const texts = [...notes, ...ofCases]
  assert.ok(texts.length > 300, `${texts.length} texts`)
  assert.deepEqual(
    [...new Set(texts)].filter((text) => chinese[text] === undefined),
    [],
  )
})
