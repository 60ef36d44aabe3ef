import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HistoryEvent } from '../../history/index.ts'
import { settleFaults } from './settle-faults.ts'

type Line = Omit<HistoryEvent, 'i' | 'monoNs'> & { readonly atMs: number; readonly sinceMs?: number }

const history = (lines: readonly Line[]): HistoryEvent[] =>
  lines.map(({ atMs, sinceMs, ...line }, i) => ({ ...line, i, monoNs: atMs * 1e6, ...(sinceMs === undefined ? {} : { sinceNs: sinceMs * 1e6 }) }))

const begin = (proc: string, atMs: number): Line => ({ atMs, proc, type: 'invoke', f: 'deliver', group: 'g', id: `${proc}${atMs}` })
const told = (lines: readonly Line[]): readonly string[] =>
  settleFaults(history(lines)).map(({ f, fault, victim, id }) => (f === 'fault' ? `${victim} ${fault}` : `${id}`))

test('a standstill begins where its process was silent longest, and ends where it was found', () => {
  const found: Line = { atMs: 90, sinceMs: 10, proc: 'a', type: 'ok', f: 'fault', fault: 'freeze', victim: 'a' }
  assert.deepEqual(told([begin('a', 5), begin('a', 15), begin('b', 40), begin('a', 80), found, begin('a', 91)]), [
    'a5',
    'a15',
    'a freeze',
    'b40',
    'a80',
    'a lease-expired',
    'a91',
  ])
})

test('a standstill begins before the line in whose writing its process was stopped (torture 300284)', () => {
  const found: Line = { atMs: 90, sinceMs: 10, proc: 'a', type: 'ok', f: 'fault', fault: 'freeze', victim: 'a' }
  const caught = begin('a', 15)
  assert.deepEqual(told([begin('b', 12), begin('b', 40), caught, begin('a', 80), found]), ['b12', 'a freeze', 'b40', 'a15', 'a80', 'a lease-expired'])
})

test('a death stands behind the last line of who died', () => {
  const death: Line = { atMs: 90, proc: 'judge', type: 'ok', f: 'fault', fault: 'death', victim: 'a' }
  assert.deepEqual(told([begin('a', 5), begin('b', 40), death, begin('b', 95)]), ['a5', 'a death', 'b40', 'a death', 'b95'])
})
