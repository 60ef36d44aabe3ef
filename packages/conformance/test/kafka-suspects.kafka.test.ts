/** What a member claims lies ahead of what it has read: that must not make suspects of what it cannot have had. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { numbered } from '@sluice/conformance'
import { kafkaRig } from './kafka-rig.ts'

test('after a death what the dead member had is suspect, and what came after the take-over is not', { timeout: 60_000 }, async () => {
  const rig = kafkaRig()
  try {
    await rig.open()
    const sender = await rig.channel({ groups: ['g'], partitions: 1 })
    const dying = await rig.open()
    const victim = await rig.join(dying)
    await victim.until(() => victim.owned.size === 1, 'its partition')
    await sender.send(numbered(3, ['a']))
    const taken = await victim.take(3)
    victim.consumer.accept(taken.slice(0, 1))
    // Written, and with it the claim of more than has come.
    await victim.consumer.flush()
    assert.ok('crash' in dying && typeof dying.crash === 'function')
    dying.crash()
    const heir = await rig.join(await rig.open())
    const old = await heir.drain(2)
    await sender.send(numbered(3, ['a'], 3))
    const young = await heir.drain(3)
    assert.deepEqual(
      [old, young].map((list) => list.map(({ suspect, deliveries }) => `${suspect} ${deliveries}`)),
      [
        ['true 1', 'true 1'],
        ['false 0', 'false 0', 'false 0'],
      ],
    )
  } finally {
    await rig.close()
  }
})
