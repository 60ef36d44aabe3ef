import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { FaultProxy, reset } from './proxy.ts'

const echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket))
let proxy: FaultProxy

before(async () => {
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  proxy = await FaultProxy.to('127.0.0.1', (echo.address() as AddressInfo).port)
})

after(async () => {
  await proxy.close()
  echo.close()
})

test('passes bytes in order, whole or in slices of one', async () => {
  const client = connect(proxy.port, '127.0.0.1')
  const said = 'x'.repeat(500) + 'y'.repeat(500)
  let heard = ''
  client.setEncoding('utf8').on('data', (text: string) => {
    heard += text
  })
  for (const weather of [{}, { sliceBytes: 1 }, { sliceBytes: 7, latencyMs: 5 }]) {
    proxy.weather = weather
    heard = ''
    client.write(said)
    while (heard.length < said.length) await once(client, 'data')
    assert.equal(heard, said)
  }
  client.destroy()
})

test('what is late is not overtaken when the weather changes', async () => {
  const client = connect(proxy.port, '127.0.0.1')
  await once(client, 'connect')
  let heard = ''
  client.setEncoding('utf8').on('data', (text: string) => {
    heard += text
  })
  const weathers = [{ latencyMs: 40 }, { latencyMs: 10, sliceBytes: 1 }, {}, { latencyMs: 5 }, {}]
  for (const [n, weather] of weathers.entries()) {
    proxy.weather = weather
    client.write(`${n}`)
    // It has passed the proxy's one side.
    await new Promise((resolve) => setTimeout(resolve, 3))
  }
  while (heard.length < weathers.length) await once(client, 'data')
  assert.equal(heard, '01234')
  client.destroy()
})

test('swallows one direction, and cuts with a reset', async () => {
  proxy.weather = {}
  const client = connect(proxy.port, '127.0.0.1')
  await once(client, 'connect')
  client.write('a')
  await once(client, 'data')
  proxy.weather = { deafClient: true }
  client.write('b')
  await new Promise((resolve) => setTimeout(resolve, 20))
  proxy.weather = {}
  client.write('c')
  assert.equal(String((await once(client, 'data'))[0]), 'c')
  const failed = once(client, 'error')
  assert.equal(proxy.cut(), 1)
  assert.equal(((await failed)[0] as NodeJS.ErrnoException).code, 'ECONNRESET')
})

test('a connection that is being shut down is closed, too: reset, it would keep the process alive for ever', async () => {
  const server = createServer({ allowHalfOpen: false }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  accepted.resume()
  client.end()
  await once(accepted, 'end')
  // Node shuts its own side down in the next tick; libuv is done with it a turn of the loop later.
  await new Promise<void>((resolve) => process.nextTick(resolve))
  const closed = once(accepted, 'close')
  reset(accepted)
  await closed
  server.close()
})
