import assert from 'node:assert/strict'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { envelopeOf, membership, trial, until, watcher } from '../trial.fixture.ts'

/** A way to the server that can be cut for good, as the end of one node cuts it. */
async function wayTo(host: string, port: number): Promise<{ readonly port: number; readonly count: () => number; cut(): void }> {
  const sockets = new Set<Socket>()
  let count = 0
  const server: Server = createServer((client) => {
    count++
    const upstream = connect(port, host)
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => undefined)
      from.on('close', () => to.destroy())
      from.pipe(to)
    }
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    count: () => count,
    cut() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

test('of several hosts in the URL one that lives is found, at the start and when the one in use ends, while messages flow', async () => {
  const place = await trial()
  const { hostname, port } = new URL(place.url)
  const [first, second, gone] = [await wayTo(hostname, Number(port)), await wayTo(hostname, Number(port)), await wayTo(hostname, Number(port))]
  gone.cut()
  const hosts = (...ways: readonly { readonly port: number }[]): string =>
    place.url.replace(`${hostname}:${port}`, ways.map((way) => `${hostname}:${way.port}`).join(','))
  try {
    // Whichever comes first by chance: each of these meets the dead one.
    for (let n = 0; n < 4; n++) await (await place.open({}, hosts(gone, first))).close()
    const member = await place.open({}, hosts(gone, first, second))
    const watching = watcher()
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 2 }], groups: [] })
    const consumer = await member.consume(membership, watching)
    await until('both partitions', () => watching.owned.size === 2)
    const came = new Set<string>()
    let isOver = false
    const consuming = (async () => {
      while (!isOver) {
        const deliveries = await consumer.receive(100, 1_000_000)
        for (const { envelope } of deliveries) came.add(envelope.id)
        consumer.accept(deliveries)
      }
    })()
    const confirmed: string[] = []
    const send = async (from: number): Promise<void> => {
      for (let n = from; n < from + 200; n++) {
        const id = `m${n}`
        // What is unknown or failed is sent again, as the bus does.
        while ((await member.send([{ channel: 'c', envelope: envelopeOf(id, `k${n % 5}`), sizeBytes: 200 }])).failures.length > 0)
          await new Promise<void>((resolve) => setTimeout(resolve, 50))
        confirmed.push(id)
      }
    }
    await send(0)
    const before = [first.count(), second.count()]
    const sending = send(200)
    await until('some of them', () => confirmed.length > 220)
    // Both connections are on the one or the other: the ways end in turn, and the last one is left.
    first.cut()
    await sending
    await until('all of them', () => came.size === 400)
    assert.ok(second.count() > 0, `connections before: ${before}`)
    assert.deepEqual([...came].toSorted(), confirmed.toSorted())
    isOver = true
    await consumer.close()
    await consuming
  } finally {
    await place.dispose()
    for (const way of [first, second]) way.cut()
  }
})
