/**
 * Files that are swapped, stale, cut, empty or in the way. Each is a typed error after which every byte is as it was, or has no
 * effect; and with the right files back everything is there.
 */
import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { isSluiceError, seededRandom } from '@sluice/core/transport'
import { transport } from '@sluice/embedded'
import { bodies, context, joinGroup, message, openBus, place, take } from '../bus-file.ts'

const suffixes = ['', '-wal', '-shm', '-bell'] as const
const expected = Array.from({ length: 12 }, (_, n) => `m${n}`)

/** What a process that was killed leaves: some messages in the database file, some in the log. */
async function killed(t: TestContext, bodiesInLog: readonly string[] = expected.slice(6), name = 'm'): Promise<string> {
  const made = place(t)
  const bus = await openBus(made)
  for (let n = 0; n < 6; n++) await bus.send([message(`${name}${n}`, 'k')])
  const db = new DatabaseSync(made)
  db.exec('PRAGMA wal_checkpoint(RESTART)')
  for (const body of bodiesInLog) await bus.send([message(body, 'k')])
  const path = `${made}.killed`
  for (const suffix of suffixes) copyFileSync(`${made}${suffix}`, `${path}${suffix}`)
  db.close()
  await bus.close()
  return path
}

/** What is in the files, by their hashes. */
function snapshot(path: string): readonly string[] {
  return ['', '-wal', '-bell'].map((suffix) => (existsSync(`${path}${suffix}`) ? hash('sha256', readFileSync(`${path}${suffix}`)) : 'missing'))
}

/** Opening is refused with this code, and nothing is written. */
async function refused(path: string, code: string): Promise<void> {
  const before = snapshot(path)
  await assert.rejects(transport.open(`file:${path}`, context()), (error) => isSluiceError(error) && error.code === code)
  assert.deepEqual(snapshot(path), before, 'no byte is written')
}

async function whole(path: string): Promise<void> {
  const bus = await openBus(path)
  assert.deepEqual(bodies(await take(await joinGroup(bus), 12)), expected)
  await bus.close()
  assert.ok((await (await transport.maintenance?.())?.check(`file:${path}`))?.sound)
}

test('the -wal of another bus beside the file', async (t) => {
  const path = await killed(t)
  const other = await killed(t, ['x0', 'x1'], 'x')
  copyFileSync(`${path}-wal`, `${path}.mine`)
  copyFileSync(`${other}-wal`, `${path}-wal`)
  rmSync(`${path}-shm`)
  await refused(path, 'STORE_CORRUPT')
  const report = await (await transport.maintenance?.())?.check(`file:${path}`)
  assert.equal(report?.sound, false)
  copyFileSync(`${path}.mine`, `${path}-wal`)
  await whole(path)
})

test('the -wal of a young bus, which has all of its pages and more commits, beside the file', async (t) => {
  const path = await killed(t)
  const other = place(t)
  const young = await openBus(other)
  for (let n = 0; n < 40; n++) await young.send([message('young')])
  copyFileSync(`${path}-wal`, `${path}.mine`)
  copyFileSync(`${other}-wal`, `${path}-wal`)
  await young.close()
  rmSync(`${path}-shm`)
  await refused(path, 'STORE_CORRUPT')
  // The copy would be sound: that of the wrong bus.
  const maintenance = await transport.maintenance?.()
  await assert.rejects(async () => maintenance?.backup(`file:${path}`, `${path}.backup`), { code: 'STORE_CORRUPT' })
  assert.ok(!existsSync(`${path}.backup`))
  copyFileSync(`${path}.mine`, `${path}-wal`)
  await whole(path)
})

test('the doorbell of another bus, a garbled one, an empty one, none', async (t) => {
  const path = await killed(t)
  const other = await killed(t, ['x0'], 'x')
  copyFileSync(`${other}-bell`, `${path}-bell`)
  await refused(path, 'STORE_CORRUPT')
  writeFileSync(`${path}-bell`, Buffer.alloc(44, 0xff))
  await (await openBus(path)).close()
  writeFileSync(`${path}-bell`, '')
  await (await openBus(path)).close()
  rmSync(`${path}-bell`)
  await whole(path)
})

test('an older -wal of the same bus, after it was moved into the file', async (t) => {
  const path = await killed(t, expected.slice(6, 9))
  copyFileSync(`${path}-wal`, `${path}.stale`)
  const bus = await openBus(path)
  for (const body of expected.slice(9)) await bus.send([message(body, 'k')])
  await bus.close()
  assert.ok(!existsSync(`${path}-wal`))
  copyFileSync(`${path}.stale`, `${path}-wal`)
  await refused(path, 'STORE_CORRUPT')
  rmSync(`${path}-wal`)
  await whole(path)
})

test('no -wal where there was one with confirmed messages, or only its beginning', async (t) => {
  const path = await killed(t)
  copyFileSync(`${path}-wal`, `${path}.mine`)
  for (const keep of [0, 32, 5000]) {
    truncateSync(`${path}-wal`, keep)
    rmSync(`${path}-shm`, { force: true })
    await assert.rejects(transport.open(`file:${path}`, context()), (error) => isSluiceError(error) && error.code === 'STORE_CORRUPT', `${keep} bytes kept`)
    copyFileSync(`${path}.mine`, `${path}-wal`)
  }
  rmSync(`${path}-wal`)
  await assert.rejects(transport.open(`file:${path}`, context()), (error) => isSluiceError(error) && error.code === 'STORE_CORRUPT')
  copyFileSync(`${path}.mine`, `${path}-wal`)
  await whole(path)
})

test('a stale, garbled, empty or missing -shm has no effect', async (t) => {
  const path = await killed(t)
  const random = seededRandom(3)
  const garbage = Buffer.from(Array.from({ length: 32_768 }, () => Math.floor(random() * 256)))
  for (const shm of [garbage, Buffer.alloc(0), Buffer.alloc(32_768), undefined]) {
    const copy = `${path}.shm`
    for (const suffix of suffixes) copyFileSync(`${path}${suffix}`, `${copy}${suffix}`)
    if (shm === undefined) rmSync(`${copy}-shm`)
    else writeFileSync(`${copy}-shm`, shm)
    await whole(copy)
  }
})

test('an empty database file where messages were; an empty one with nothing beside it is made anew', async (t) => {
  const path = await killed(t)
  copyFileSync(path, `${path}.mine`)
  copyFileSync(`${path}-wal`, `${path}.wal`)
  truncateSync(path, 0)
  await assert.rejects(transport.open(`file:${path}`, context()), (error) => isSluiceError(error) && error.code === 'STORE_CORRUPT')
  copyFileSync(`${path}.mine`, path)
  copyFileSync(`${path}.wal`, `${path}-wal`)
  await whole(path)
  const fresh = place(t)
  writeFileSync(fresh, '')
  const bus = await openBus(fresh)
  assert.deepEqual((await bus.send([message('first')])).failures, [])
  await bus.close()
})

test('another file in the place of one that is in use: publishing fails at the next sync, for good, and says why', async (t) => {
  const path = await killed(t)
  const other = await killed(t, ['x0'], 'x')
  const bus = await openBus(path)
  assert.deepEqual((await bus.send([message('before', 'k')])).failures, [])
  await new Promise((resolve) => setTimeout(resolve, 150))
  renameSync(path, `${path}.away`)
  copyFileSync(other, path)
  const [failure] = (await bus.send([message('lost', 'k')])).failures
  assert.deepEqual([failure?.state, failure?.error.code], ['unknown', 'STORE_SYNC_FAILED'])
  assert.match(failure?.error.message ?? '', /replaced while in use/)
  // Longer than the first attempts to recover take.
  await new Promise((resolve) => setTimeout(resolve, 700))
  assert.equal((await bus.send([message('lost', 'k')])).failures[0]?.error.code, 'STORE_SYNC_FAILED')
  await bus.close()
})

const displaced: readonly [string, (wal: string) => void][] = [
  ['deleted', (wal) => rmSync(wal)],
  [
    'deleted and made anew',
    (wal) => {
      rmSync(wal)
      writeFileSync(wal, '')
    },
  ],
  ['moved away', (wal) => renameSync(wal, `${wal}.away`)],
  [
    'overwritten by a rename',
    (wal) => {
      writeFileSync(`${wal}.other`, '')
      renameSync(`${wal}.other`, wal)
    },
  ],
]
for (const [what, displace] of displaced)
  test(`the -wal of a file in use is ${what}: the very next publish is not confirmed`, async (t) => {
    const path = place(t)
    const bus = await openBus(path)
    for (let n = 0; n < 20; n++) assert.deepEqual((await bus.send([message(`m${n}`, 'k')])).failures, [])
    displace(`${path}-wal`)
    const [failure] = (await bus.send([message('lost', 'k')])).failures
    assert.deepEqual([failure?.state, failure?.error.code], ['unknown', 'STORE_SYNC_FAILED'])
    await bus.close()
  })

test('the folder of a file in use is moved: publishing fails while it is away', async (t) => {
  const root = place(t)
  mkdirSync(`${root}.folder`)
  const bus = await openBus(`${root}.folder/bus.db`)
  assert.deepEqual((await bus.send([message('m', 'k')])).failures, [])
  renameSync(`${root}.folder`, `${root}.away`)
  const [failure] = (await bus.send([message('lost', 'k')])).failures
  assert.deepEqual([failure?.state, failure?.error.code], ['unknown', 'STORE_SYNC_FAILED'])
  renameSync(`${root}.away`, `${root}.folder`)
  await bus.close()
})

test('a database file that is cut anywhere', async (t) => {
  const path = await killed(t)
  const { size } = statSync(path)
  for (const keep of [1, 50, 99, 100, 512, 4095, 4096, 8192, size - 4096, size - 1]) {
    const copy = `${path}.cut`
    for (const suffix of suffixes) copyFileSync(`${path}${suffix}`, `${copy}${suffix}`)
    truncateSync(copy, keep)
    const told = await transport.open(`file:${copy}`, context()).then(
      async (bus) => {
        const { messages } = await bus.admin.browse('c', { limit: 100 }).catch((error: unknown) => ({ messages: [], error }))
        await bus.close()
        return messages.map(({ body }) => body)
      },
      (error: unknown) => (isSluiceError(error) ? error.code : error),
    )
    if (typeof told === 'string') assert.match(told, /^STORE_(CORRUPT|NOT_A_BUS)$/, `${keep} bytes`)
    else assert.deepEqual(told, expected, `${keep} bytes`)
  }
})
