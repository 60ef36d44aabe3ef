import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId, systemClock } from '@sluice/core/transport'
import { Link } from '../link/link.ts'
import { readUrl } from '../options.ts'
import { Publisher } from '../send/publisher.ts'
import { trial, until } from '../trial.fixture.ts'
import { OwnedPartition } from './partition.ts'

/** Says that a channel is there, and hands it out so many microtasks later. */
class LateLink extends Link {
  ticks = 0
  opened: () => void = () => undefined

  override async channel(closed?: (error: Error | undefined) => void): Promise<Awaited<ReturnType<Link['channel']>>> {
    const channel = await super.channel(closed)
    this.opened()
    for (let n = 0; n < this.ticks; n++) await undefined
    return channel
  }
}

test('a partition that is let go in any instant of the opening of its lot leaves no consumer behind, which its heir would wait for', async () => {
  const place = await trial()
  const { address, options } = readUrl(place.url, { options: {} })
  const context = { clock: systemClock, service: 'trial', instanceId: newId(), report: () => undefined, options: {} }
  const link = new LateLink(address, options, context, 'consuming')
  await link.open()
  const publisher = new Publisher(link, systemClock, 5_000)
  try {
    const counts: number[] = []
    for (let ticks = 0; ticks < 16; ticks++) {
      const queue = `lot-${ticks}`
      const settings = { durable: true, arguments: { 'x-queue-type': 'quorum', 'x-single-active-consumer': true } }
      await link.askApart((on) => on.assertQueue(queue, settings))
      const home = { link, publisher, clock: systemClock, nowMs: () => systemClock.nowMs(), lotQueue: () => queue, report: () => undefined, options: {} }
      const partition = OwnedPartition.visitor(home, '0/1')
      link.ticks = ticks
      const letGo = new Promise<void>((resolve) => {
        link.opened = () => {
          link.opened = () => undefined
          resolve(partition.letGo())
        }
      })
      await partition.lookAtLot().catch(() => undefined)
      await letGo
      const consumers = async (): Promise<number> => (await link.ask((on) => on.checkQueue(queue))).consumerCount
      await until('its end to be told', async () => (await consumers()) === 0, 1_000).catch(() => undefined)
      counts.push(await consumers())
    }
    assert.deepEqual(
      counts,
      counts.map(() => 0),
    )
  } finally {
    await publisher.close()
    await link.close()
    await place.dispose()
  }
})
