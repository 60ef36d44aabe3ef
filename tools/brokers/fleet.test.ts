import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { exchange } from './exchange.ts'
import { Fleet } from './fleet.ts'
import { missing, portOf, testLife, trialFleet } from './life.fixture.ts'
import type { Server } from './server.ts'
import { kafka } from './servers/kafka.ts'
import { postgres } from './servers/postgres.ts'
import { rabbitmq } from './servers/rabbitmq.ts'
import { redis } from './servers/redis.ts'

// Ports of its own: a developer's servers may run beside this test.
const tried: readonly Server[] = [redis('redis', 17_379, 'always'), { ...postgres, ports: [17_432] }]
const trial = trialFleet(tried)
const { fleet, root } = trial

for (const server of tried) testLife(server, trial)

test('redis: what was acknowledged is there after kill -9; a taken port moves a second fleet on', async (t) => {
  const [server] = tried
  if (server === undefined) return assert.fail()
  const reason = await missing(server)
  if (reason !== undefined) return t.skip(reason)
  const port = portOf(await fleet.up(server))
  const say = (line: string, answer: string): Promise<string | undefined> =>
    exchange(port, async (write, read) => {
      write(`${line}\r\n`)
      return (await read(answer.length)).toString()
    })
  assert.equal(await say('SET order A1', '+OK\r\n'), '+OK\r\n')
  await fleet.kill(server)
  await fleet.up(server)
  assert.equal(await say('GET order', '$2\r\nA1\r\n'), '$2\r\nA1\r\n')

  const other = mkdtempSync(join(tmpdir(), 'sluice-fleet-'))
  try {
    const beside = new Fleet(other)
    assert.notEqual(portOf(await beside.up(server)), port)
    await beside.down(server)
    assert.equal(await say('GET order', '$2\r\nA1\r\n'), '$2\r\nA1\r\n', 'the first one is untouched')
  } finally {
    rmSync(other, { recursive: true, force: true })
  }
  await fleet.down(server)
})

test('a server that was begun for a brief life is started again for one', async (t) => {
  const [plain] = tried
  if (plain === undefined) return assert.fail()
  const reason = await missing(plain)
  if (reason !== undefined) return t.skip(reason)
  const seen: (boolean | undefined)[] = []
  const server: Server = {
    ...plain,
    name: 'brief',
    command(node, nodes) {
      seen.push(node.brief)
      return plain.command(node, nodes)
    },
  }
  await fleet.up(server, true)
  await fleet.kill(server)
  await fleet.up(server)
  await fleet.restart(server)
  await fleet.down(server)
  assert.deepEqual(seen, [true, true, true])
})

test('a server that ends at its start is reported with its log, and is not waited for', async () => {
  const broken: Server = {
    ...redis('broken', 17_479, 'always'),
    install: async () => {},
    command: () => ({ program: process.execPath, args: ['-e', 'console.log("no such option"); process.exit(3)'] }),
  }
  await assert.rejects(fleet.up(broken), /broken, node 1, ended:\n.*no such option/s)
  await fleet.down(broken)
  assert.equal(existsSync(join(root, 'broken')), false)
})

test('an open port alone is not an answer', async () => {
  const silent = createServer((socket) => socket.end('HTTP/1.1 400\r\n\r\n'))
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  const address = silent.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  for (const server of [...tried, kafka('kafka', 17_092, 1), rabbitmq('rabbitmq', 17_672, 1)])
    assert.equal(await server.answers({ number: 1, folder: root, ports: [port, port] }, [{ number: 1, folder: root, ports: [port, port] }]), false)
  silent.close()
})
