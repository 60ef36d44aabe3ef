import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { systemClock } from '@sluice/core/transport'
import { readUrl } from '../options.ts'
import { Link } from './link.ts'

test('amqps says the name of the server it wants, and nothing where it has only an address', async () => {
  const hellos: Buffer[] = []
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (hello: Buffer) => {
      hellos.push(hello)
      socket.destroy()
    })
  }).listen(0)
  await once(server, 'listening')
  const at = server.address()
  assert.ok(at !== null && typeof at === 'object')
  try {
    for (const host of ['localhost', '127.0.0.1']) {
      const { address, options } = readUrl(`amqps://${host}:${at.port}`, { options: {} })
      const link = new Link(address, options, { clock: systemClock, service: 's', instanceId: 'i', report: () => undefined, options: {} }, 'publishing')
      await assert.rejects(link.open(), { code: 'TRANSPORT_FAILED' })
    }
    assert.deepEqual(
      hellos.map((hello) => [hello[0], hello.includes('localhost'), hello.includes('127.0.0.1')]),
      [
        [22, true, false],
        [22, false, false],
      ],
    )
  } finally {
    server.close()
  }
})
