import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { pages, readResults, withFigures } from './pages.ts'
import type { Results } from './results.ts'

const row = { unit: 'messages/s', sluice: 250_000, raw: 80_000, rawName: 'Kafka', ratio: 3.125, spread: [3, 3.25], target: '≥ 1.9 ×', reached: true } as const
const results: Results = {
  peers: {
    date: '2026-11-21',
    machine: 'a machine',
    node: 'v26',
    sqlite: '3',
    load: '1.0',
    command: 'npm run bench -- peers',
    rows: [
      { ...row, name: 'beside Kafka' },
      { ...row, name: 'beside Kafka and more' },
    ],
  },
}

for (const page of pages) {
  test(`${page} quotes bench/results.json as it is (else: node bench/pages.ts)`, () => {
    const text = readFileSync(resolve(import.meta.dirname, '..', page), 'utf8')
    assert.match(text, /<!-- bench: /)
    assert.equal(withFigures(text, readResults()), text)
  })
}

test('a figure and a table are put between their markers, whatever stood there', () => {
  assert.equal(
    withFigures('It is <!-- bench: peers/beside Kafka.ratio -->9<!-- /bench --> times faster: <!-- bench: peers/and more.sluice --><!-- /bench -->.', results),
    'It is <!-- bench: peers/beside Kafka.ratio -->3.1<!-- /bench --> times faster: <!-- bench: peers/and more.sluice -->250,000<!-- /bench -->.',
  )
  const table = withFigures('<!-- bench: peers --><!-- /bench -->', results)
  assert.match(table, /\| beside Kafka \| 250,000 \| messages\/s \| 80,000, Kafka \| 3\.13 \| 3\.00–3\.25 \| ≥ 1\.9 × \| reached \|/)
  assert.equal(withFigures(table, results), table)
})

test('a name without figures, two rows of a name, and a marker left open are refused', () => {
  assert.throws(() => withFigures('<!-- bench: soak --><!-- /bench -->', results), /has no soak/)
  assert.throws(() => withFigures('<!-- bench: peers/beside.ratio --><!-- /bench -->', results), /2 rows/)
  assert.throws(() => withFigures('<!-- bench: peers -->', results), /1 markers are opened, 0 are closed/)
})
