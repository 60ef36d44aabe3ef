/** What Kafka's delayed messages may cost: what the topic keeps of those that are gone, and how many may wait. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { message } from '@sluice/conformance'
import { eventually } from '../src/probe/probe.ts'
import { kafkaPlace, kafkaRig, withAdmin } from './kafka-rig.ts'

test('one message that waits long holds up nothing: what went before it is deleted, and it is still there', { timeout: 60_000 }, async () => {
  const place = kafkaPlace()
  const rig = kafkaRig(place)
  try {
    const sender = await rig.channel({ partitions: 2 })
    const farMs = Date.now() + 3_600_000
    await sender.send([message({ id: 'far', notBeforeMs: farMs })])
    for (let round = 0; round < 3; round++) {
      const notBeforeMs = Date.now() + 200
      await sender.send(Array.from({ length: 500 }, (_, n) => message({ key: `k${n % 7}`, notBeforeMs })))
      await eventually(
        () => sender.admin.channels(),
        ([row]) => row?.stored === 500 * (round + 1) && row.scheduled === 1,
        'all but one to be stored',
      )
    }
    await eventually(
      () => withAdmin((admin) => admin.fetchTopicOffsets(`${place.prefix}sluice.later`)),
      (offsets) => offsets.some(({ low }) => Number(low) > 500),
      'the beginning of the log to go',
    )
    await rig.close(sender)
    const late = await rig.open()
    assert.equal((await late.admin.channels())[0]?.scheduled, 1)
    assert.deepEqual([await late.admin.cancel('c', 'far'), await late.admin.cancel('c', 'far')], [true, false])
  } finally {
    await rig.close()
  }
})

test('more delayed messages than are held are refused, until some are gone', { timeout: 60_000 }, async () => {
  const rig = kafkaRig()
  try {
    const sender = await rig.channel({ partitions: 2 })
    const notBeforeMs = Date.now() + 3_600_000
    const body = 'x'.repeat(900_000)
    const send = async (n: number): Promise<string | undefined> => {
      const { failures } = await sender.send([message({ id: `m${n}`, body, notBeforeMs, sizeBytes: 900_200 })])
      return failures[0]?.error.code
    }
    let sent = 0
    let refusal: string | undefined
    for (; sent < 200 && refusal === undefined; sent++) refusal = await send(sent)
    assert.equal(refusal, 'BACKPRESSURE', `${sent} were taken`)
    assert.ok(sent > 60, `${sent} were taken`)
    assert.equal((await sender.send([message({ body: 'now' })])).failures.length, 0, 'what is not delayed goes on')
    // More may have been taken than are held, before the one who holds them could say so.
    const gone = await Promise.all(Array.from({ length: sent - 20 }, (_, n) => sender.admin.cancel('c', `m${n}`)))
    assert.ok(gone.every(Boolean))
    await eventually(
      () => send(200),
      (code) => code === undefined,
      'room',
    )
  } finally {
    await rig.close()
  }
})
