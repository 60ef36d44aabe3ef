import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { HistoryRecorder, readHistory } from './recorder.ts'

test("a line torn by its writer's death is left out, and spoils nobody's line; what wrote on after half a line is an error", () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-recorder-'))
  const path = join(folder, 'history.jsonl')
  try {
    const [a, b] = [new HistoryRecorder(path, 'a'), new HistoryRecorder(path, 'b')]
    a.record({ type: 'invoke', f: 'send', id: '1' })
    // As a kill -9 leaves it where a page ends (seen in "kill -9 of producers under load").
    appendFileSync(path, '\n{"proc":"a","type":"ok","f":"se')
    b.record({ type: 'ok', f: 'deliver', id: '1' })
    b.record({ type: 'ok', f: 'accept', id: '1' })
    assert.deepEqual(
      readHistory(path).map(({ i, proc, f }) => [i, proc, f]),
      [
        [0, 'a', 'send'],
        [1, 'b', 'deliver'],
        [2, 'b', 'accept'],
      ],
    )
    appendFileSync(path, '\n{"pr')
    assert.equal(readHistory(path).length, 3)
    a.record({ type: 'ok', f: 'send', id: '1' })
    assert.throws(() => readHistory(path), /a wrote on after half a line/)
    a.close()
    b.close()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
