import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { exchange, isFree } from './exchange.ts'
import { Fleet, type Status } from './fleet.ts'
import { startedAt } from './process.ts'
import { CannotInstall, type Server } from './server.ts'
import { kafka } from './servers/kafka.ts'
import { postgres } from './servers/postgres.ts'
import { redis } from './servers/redis.ts'

// Ports of its own: a developer's servers may run beside this test.
const tried: readonly Server[] = [redis('redis', 17_379, 'always'), { ...postgres, ports: [17_432] }, kafka('kafka', 17_092, 1)]
const root = mkdtempSync(join(tmpdir(), 'sluice-fleet-'))
// PostgreSQL's own user must get there.
chmodSync(root, 0o711)
const fleet = new Fleet(root)
after(async () => {
  for (const server of tried) await fleet.down(server)
  rmSync(root, { recursive: true, force: true })
})

/** Why the server cannot be tried here. Only CI installs by itself: a test run that changes the machine would be a surprise. */
async function missing(server: Server): Promise<string | undefined> {
  if (server.installed()) return undefined
  if (process.env.SLUICE_REQUIRE !== 'all') return `needs ${server.name}: npm run brokers -- up ${server.name} installs it`
  try {
    await server.install()
    return undefined
  } catch (error) {
    if (error instanceof CannotInstall) return error.message
    throw error
  }
}

const pidOf = (status: Status | undefined): number => status?.nodes[0]?.pid ?? assert.fail('it does not run')
const portOf = ({ url }: Status): number => Number(/:(\d+)(?:\/|$)/.exec(url)?.[1])

for (const server of tried) {
  test(`${server.name}: answers after up, after kill -9 and up, after restart; down leaves nothing`, async (t) => {
    const reason = await missing(server)
    if (reason !== undefined) return t.skip(reason)
    const first = await fleet.up(server)
    assert.deepEqual(
      first.nodes.map(({ answers }) => answers),
      [true],
    )
    assert.equal(pidOf(await fleet.up(server)), pidOf(first), 'up of a running server starts nothing')

    await fleet.kill(server)
    assert.equal(startedAt(pidOf(first)), undefined)
    assert.deepEqual((await fleet.status(server))?.nodes, [{ pid: undefined, answers: false }])

    const second = await fleet.up(server)
    assert.equal(second.url, first.url)
    assert.notEqual(pidOf(second), pidOf(first))

    const third = await fleet.restart(server)
    assert.notEqual(pidOf(third), pidOf(second))
    assert.equal(third.nodes[0]?.answers, true)

    await fleet.down(server)
    assert.equal(startedAt(pidOf(third)), undefined)
    assert.equal(await isFree(portOf(third)), true)
    assert.equal(await fleet.status(server), undefined)
    assert.deepEqual(
      readdirSync(root).filter((name) => name.startsWith(server.name)),
      [],
    )
  })
}

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
  for (const server of tried)
    assert.equal(await server.answers({ number: 1, folder: root, ports: [port, port] }, [{ number: 1, folder: root, ports: [port, port] }]), false)
  silent.close()
})
