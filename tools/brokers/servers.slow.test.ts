import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missing, testLife, trialFleet } from './life.fixture.ts'
import type { Server } from './server.ts'
import { kafka } from './servers/kafka.ts'
import { rabbitmq, rabbitmqTls } from './servers/rabbitmq.ts'
import { redisTls } from './servers/redis.ts'

const clusters: readonly Server[] = [kafka('kafka-cluster', 17_192, 3), rabbitmq('rabbitmq-cluster', 17_772, 3)]
const tried: readonly Server[] = [
  kafka('kafka', 17_092, 1),
  rabbitmq('rabbitmq', 17_672, 1),
  rabbitmqTls('rabbitmq-tls', 17_872),
  redisTls('redis-tls', 17_399),
  ...clusters,
]
const trial = trialFleet(tried)

for (const server of tried) testLife(server, trial)

for (const server of clusters) {
  test(`${server.name}: two nodes go on answering while the third is killed, and it comes back`, async (t) => {
    const reason = await missing(server)
    if (reason !== undefined) return t.skip(reason)
    const { fleet } = trial
    const before = await fleet.up(server)
    await fleet.kill(server, 2)
    const without = await fleet.status(server)
    assert.equal(without?.nodes[1]?.pid, undefined)
    assert.deepEqual(
      [0, 2].map((n) => without?.nodes[n]?.pid),
      [0, 2].map((n) => before.nodes[n]?.pid),
    )
    const again = await fleet.up(server)
    assert.ok(again.nodes.every(({ answers }) => answers))
    assert.equal(again.nodes[0]?.pid, before.nodes[0]?.pid)
    await fleet.down(server)
  })
}
