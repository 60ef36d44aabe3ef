import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '@sluice/core/transport'
import { Link } from './link/link.ts'
import { type Making, makeLive } from './live-queues.ts'
import { readUrl } from './options.ts'
import { trial } from './trial.fixture.ts'

const full = { durable: true, arguments: { 'x-queue-type': 'quorum', 'x-max-length': 1, 'x-overflow': 'reject-publish' } }
const alive = { durable: true, arguments: { 'x-queue-type': 'quorum' } }

test('a queue that was declared and does not answer is made anew, unless somebody may have used it', async () => {
  const place = await trial()
  const { address, options } = readUrl(place.url, { options: {} })
  // Half a second of silence is enough here.
  const clock = { ...systemClock, setTimer: (ms: number, call: () => void) => systemClock.setTimer(ms / 10, call) }
  const link = new Link(address, options, { clock: systemClock, service: 's', instanceId: 'i', report: () => undefined, options: {} }, 'publishing')
  try {
    await link.open()
    const isThere = (queue: string): Promise<boolean> =>
      link
        .askApart((channel) => channel.checkQueue(queue))
        .then(
          () => true,
          () => false,
        )
    // Then it takes nothing, as one without a leader does.
    const fill = async (queue: string): Promise<void> => {
      const channel = await link.confirmChannel()
      for (let i = 0; i < 4; i++) channel.sendToQueue(queue, Buffer.from('x'), { persistent: true })
      await channel.waitForConfirms().catch(() => undefined)
      await channel.close()
    }
    const removed: string[] = []
    const making = (queues: readonly string[], isUsed: boolean): Making => ({
      link,
      clock,
      queues,
      declare: async () => {
        for (const queue of queues) {
          const isHalf = queue.startsWith('half') && !removed.includes(queue)
          await link.askApart((channel) => channel.assertQueue(queue, isHalf ? full : alive))
          if (isHalf) await fill(queue)
        }
      },
      isUsed: async () => isUsed,
      remove: async (queue) => {
        removed.push(queue)
        await link.askApart((channel) => channel.deleteQueue(queue))
      },
    })
    await makeLive(making(['whole', 'half'], false))
    assert.deepEqual(removed, ['half'])
    assert.ok((await isThere('whole')) && (await isThere('half')))
    assert.equal((await link.askApart((channel) => channel.checkQueue('half'))).messageCount, 0)
    await makeLive(making(['half used'], true))
    assert.deepEqual(removed, ['half'])
    assert.ok(await isThere('half used'))
  } finally {
    await link.close()
    await place.dispose()
  }
})
