import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeadLetterQuery } from '../transport.ts'
import { type QueriedLetter, queried } from './query.ts'

const letter = (deadLetterId: string, type: string, key: string | undefined, fingerprint: string): QueriedLetter => ({
  deadLetterId,
  envelope: key === undefined ? { type } : { type, partitionkey: key },
  reason: { fingerprint },
})
const letters = [letter('3', 't', 'a', 'f'), letter('1', 't', 'b', 'f'), letter('2', 'u', 'a', 'g'), letter('4', 't', undefined, 'g')]

const found = (query: DeadLetterQuery): string[] => queried(letters, (one) => one, query).map(({ deadLetterId }) => deadLetterId)

test('a query means those that are all it asks for, oldest first, up to its limit', () => {
  assert.deepEqual(found({}), ['1', '2', '3', '4'])
  assert.deepEqual(found({ types: ['t'], keys: ['a', ''] }), ['3', '4'])
  assert.deepEqual(found({ fingerprint: 'f' }), ['1', '3'])
  assert.deepEqual(found({ deadLetterIds: ['4', '2', '9'] }), ['2', '4'])
  assert.deepEqual(found({ after: '1', limit: 2 }), ['2', '3'])
  assert.deepEqual(found({ limit: 0 }), [])
})
