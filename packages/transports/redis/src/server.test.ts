import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { isSluiceError, systemClock } from '@sluice/core/transport'
import { transport } from './index.ts'

/** A server that says this about itself, and +OK to everything else: such servers cannot be had here. */
async function opened(info: string, scheme = 'redis'): Promise<unknown> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.setEncoding('latin1').on('data', (text: string) => {
      for (const _ of text.matchAll(/^\*\d+/gm)) socket.write(text.includes('INFO') ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const context = { clock: systemClock, service: 's', instanceId: 'i', report() {}, options: {} }
  try {
    return await transport.open(`${scheme}://127.0.0.1:${port}`, context).then(
      (found) => found.close().then(() => found.facts),
      (error: unknown) => error,
    )
  } finally {
    server.close()
  }
}

test('a server that is too old, a replica and a Sentinel are refused, each with what to do', async () => {
  const refusals = [
    ['SERVER_TOO_OLD', 'redis_version:6.2.14\r\n', /6\.2\.14, and 7\.0 is needed.*Valkey/],
    ['UNSUPPORTED', 'redis_version:7.2.4\r\nrole:slave\r\n', /replica.*primary/],
    ['INVALID_OPTION', 'redis_version:7.2.4\r\nredis_mode:sentinel\r\n', /is a Sentinel.*master=/],
  ] as const
  for (const [code, info, message] of refusals) {
    const error = await opened(info)
    assert.ok(isSluiceError(error, code), info)
    assert.match(String(error), message)
  }
  assert.match(String(await opened('redis_version:6.2.14\r\n', 'redis+pubsub')), /7\.0 is needed/)
})

test('Valkey says its own version; a cluster can publish and subscribe', async () => {
  const info = 'redis_version:7.2.4\r\nvalkey_version:8.1.0\r\nrole:master\r\n'
  assert.partialDeepStrictEqual(await opened(info), { serverVersion: 'Redis 8.1.0' })
  assert.partialDeepStrictEqual(await opened(`${info}cluster_enabled:1\r\n`, 'redis+pubsub'), { serverVersion: 'Redis 8.1.0' })
})
