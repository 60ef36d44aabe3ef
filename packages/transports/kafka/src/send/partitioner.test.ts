import assert from 'node:assert/strict'
import { test } from 'node:test'
import { partitionOf } from './partitioner.ts'

// From org.apache.kafka.common.utils.UtilsTest: hashes of Kafka's own MurmurHash2.
test('keys are placed as the Java client places them', () => {
  const hashes: readonly (readonly [text: string, hash: number])[] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ]
  for (const [text, hash] of hashes)
    for (const partitions of [1, 3, 8, 1_024, 0x7fff_ffff]) assert.equal(partitionOf(Buffer.from(text), partitions), (hash & 0x7fff_ffff) % partitions, text)
})
