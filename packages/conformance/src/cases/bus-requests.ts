import assert from 'node:assert/strict'
import { Reject } from '@sluice/core'
import type { Subject } from '../suite/case.ts'
import { drained } from './bus-messages.ts'
import { Quote } from './contracts.ts'

/** Requests and replies. */
export const busRequests: Subject = {
  name: 'requests',
  cases: [
    {
      name: 'a request is answered, many at once each with its own reply, over two servers',
      async run(rig) {
        const [client, ...servers] = [await rig.bus('web'), await rig.bus('price'), await rig.bus('price')]
        const by = [0, 0]
        for (const [i, server] of servers.entries()) {
          server.handle(Quote, async (item) => {
            by[i] = (by[i] ?? 0) + 1
            await new Promise((resolve) => setImmediate(resolve))
            return { price: item.n * 2 }
          })
          await server.start()
        }
        const replies = await Promise.all(Array.from({ length: 200 }, (_, n) => client.request(Quote, { n }, { timeoutMs: 15_000 })))
        assert.deepEqual(
          replies.map((reply) => reply.price),
          Array.from({ length: 200 }, (_, n) => n * 2),
        )
        assert.equal((by[0] ?? 0) + (by[1] ?? 0), 200)
      },
    },
    {
      name: 'nobody there: NO_HANDLER at once where presence is known, else at the time-out',
      async run(rig) {
        const client = await rig.bus('web')
        const startMs = performance.now()
        await assert.rejects(client.request(Quote, { n: 1 }, { timeoutMs: 3_000 }), { code: rig.facts.presence ? 'NO_HANDLER' : 'REQUEST_TIMEOUT' })
        if (rig.facts.presence) assert.ok(performance.now() - startMs < 2_000)
      },
    },
    {
      name: 'a reply that comes too late is no error, and the request does not run again',
      async run(rig) {
        const [client, server] = [await rig.bus('web'), await rig.bus('price')]
        let runs = 0
        let timedOut = (): void => {}
        const late = new Promise<void>((resolve) => {
          timedOut = resolve
        })
        server.handle(Quote, async (item) => {
          runs++
          if (item.n === 0) await late
          return { price: 1 }
        })
        await server.start()
        // Long enough to reach the handler on a loaded machine: a request that is past its time-out is not handled at all.
        await assert.rejects(client.request(Quote, { n: 0 }, { timeoutMs: 2000 }), { code: 'REQUEST_TIMEOUT' })
        timedOut()
        assert.deepEqual(await client.request(Quote, { n: 1 }, { timeoutMs: 10_000 }), { price: 1 })
        await drained(server)
        assert.equal(runs, 2)
        assert.equal((await server.deadLetters(Quote).list()).length, 0)
      },
    },
    {
      name: 'a handler that gives up answers with REQUEST_REJECTED, and says why',
      async run(rig) {
        const [client, server] = [await rig.bus('web'), await rig.bus('price')]
        server.handle(Quote, () => {
          throw new Reject('no such article')
        })
        await server.start()
        await assert.rejects(
          client.request(Quote, { n: 1 }, { timeoutMs: 10_000 }),
          (error: Error & { code?: string }) => error.code === 'REQUEST_REJECTED' && error.message.includes('no such article'),
        )
      },
    },
    {
      name: 'an aborted request stops waiting',
      async run(rig) {
        const [client, server] = [await rig.bus('web'), await rig.bus('price')]
        const aborter = new AbortController()
        server.handle(Quote, async () => {
          aborter.abort()
          await new Promise((resolve) => setTimeout(resolve, 20))
          return { price: 1 }
        })
        await server.start()
        await assert.rejects(client.request(Quote, { n: 1 }, { timeoutMs: 10_000, signal: aborter.signal }), { code: 'ABORTED' })
      },
    },
    {
      name: 'the requester leaves: its reply channel is gone with it, and the server goes on',
      async run(rig) {
        const [client, server, other] = [await rig.bus('web'), await rig.bus('price'), await rig.bus('web')]
        let running = (): void => {}
        const started = new Promise<void>((resolve) => {
          running = resolve
        })
        server.handle(Quote, async (item) => {
          running()
          if (item.n === 0) await new Promise((resolve) => setTimeout(resolve, 100))
          return { price: item.n }
        })
        await server.start()
        const lost = client.request(Quote, { n: 0 }, { timeoutMs: 10_000 }).catch((error: Error & { code?: string }) => error.code)
        await started
        await client.stop()
        assert.ok(['BUS_STOPPED', 'ABORTED', 'REQUEST_TIMEOUT'].includes((await lost) as string))
        assert.deepEqual(await other.request(Quote, { n: 5 }, { timeoutMs: 10_000 }), { price: 5 })
        await drained(server)
        const channels = (await (await rig.open()).admin.channels()).filter((channel) => channel.kind === 'reply')
        assert.ok(channels.length <= 1, 'only the living requester has a reply channel')
      },
    },
  ],
}
