import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { ownText } from './own-text.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes of the heap that keeping one of these texts of each of a hundred large ones costs. */
function keptBytes(keep: (text: string) => string): number {
  collect()
  const before = process.memoryUsage().heapUsed
  const kept: string[] = []
  for (let n = 0; n < 100; n++) kept.push(keep(Buffer.alloc(200_000, `${n}`).toString('latin1').slice(1_000, 1_036)))
  collect()
  const after = process.memoryUsage().heapUsed
  assert.equal(kept.length, 100)
  return after - before
}

test('a text of its own is the same text', () => {
  for (const text of ['', 'short', '0123456789ab', '0123456789abc', 'ü'.repeat(40), '\u{1F600}'.repeat(20)]) assert.equal(ownText(text), text)
})

test('a text of its own keeps nothing of the text that it was cut from', () => {
  assert.ok(keptBytes((text) => text) > 10_000_000, 'a slice keeps the whole: else this test would show nothing')
  assert.ok(keptBytes(ownText) < 2_000_000)
})
