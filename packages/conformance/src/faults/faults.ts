/** What servers and networks do to their clients; `run-fault.ts` does it to members under load. */
import type { Fault } from './fault.ts'

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** What every server and network does to its clients sooner or later. */
export const faults: readonly Fault[] = [
  {
    name: 'the server is killed and starts again',
    kills: true,
    strikes: 3,
    async strike({ server, random }) {
      await wait(400 + random() * 600)
      await server.kill()
      await wait(random() * 1_500)
      await server.up()
    },
  },
  {
    name: 'connections are reset',
    async strike({ proxy, random }) {
      await wait(100 + random() * 500)
      proxy.cut()
    },
  },
  {
    name: 'the server hears and is not heard, then the connection breaks',
    strikes: 6,
    async strike({ proxy, random }) {
      await wait(200 + random() * 400)
      proxy.weather = { deafClient: true }
      await wait(20 + random() * 300)
      proxy.cut()
      proxy.weather = {}
    },
  },
  {
    name: 'half-open: nobody hears anybody for longer than a lease, and nobody is told',
    strikes: 1,
    async strike({ proxy, random }) {
      await wait(200 + random() * 400)
      proxy.weather = { deafClient: true, deafServer: true }
      await wait(4_000)
      proxy.cut()
      proxy.weather = {}
    },
  },
  {
    name: 'a slow line that delivers byte by byte',
    strikes: 3,
    share: 0.2,
    async strike({ proxy, random }) {
      proxy.weather = { latencyMs: Math.floor(random() * 20), sliceBytes: 1 }
      await wait(1_000)
      proxy.weather = {}
    },
  },
]

/** What becomes of a cluster of three: its nodes go and come, and each is the leader of something. */
export const clusterFaults: readonly Fault[] = [
  {
    name: 'a node is killed and comes back, one after the other',
    strikes: 3,
    async strike({ server, random }) {
      const node = 1 + Math.floor(random() * 3)
      await wait(1_000 + random() * 1_000)
      await server.kill(node)
      await wait(1_000 + random() * 4_000)
      await server.up()
    },
  },
  {
    name: 'a rolling restart',
    strikes: 1,
    async strike({ server }) {
      for (const node of [3, 2, 1]) {
        await server.restart(node)
        await wait(1_000)
      }
    },
  },
]
