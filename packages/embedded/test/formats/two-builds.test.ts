/**
 * Two builds of Sluice on one file: of the same format they share it; a newer one with another format migrates it only when
 * nobody uses it; an older one that meets a migrated file says so and writes nothing.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { isSluiceError } from '@sluice/core/transport'
import { formatVersion } from '../../src/file/format.ts'
import { bodies, context, joinGroup, message, openBus, place, take } from '../bus-file.ts'
import { makeBuild, type Patch, removeBuild, Service, transportOf } from './builds.ts'

const next = formatVersion + 1

/** Another format: a table with a new column, and a new table. */
const nextFormat: readonly Patch[] = [
  { file: 'file/format.ts', find: `formatVersion: number = ${formatVersion}`, replace: `formatVersion: number = ${next}` },
  { file: 'file/format.ts', find: '  expires_at_ms INTEGER NOT NULL,\n', replace: '  expires_at_ms INTEGER NOT NULL,\n  hits INTEGER NOT NULL DEFAULT 0,\n' },
  {
    file: 'file/format.ts',
    find: 'CREATE TABLE schedule (',
    replace: 'CREATE TABLE remark (\n  id INTEGER PRIMARY KEY,\n  text TEXT NOT NULL\n);\nCREATE TABLE schedule (',
  },
  {
    file: 'file/migrate.ts',
    find: '(db: Database) => void> = new Map()',
    replace: `(db: Database) => void> = new Map([[${formatVersion}, (db) => {
      db.exec('DROP INDEX deduplication_by_expiry')
      db.exec('ALTER TABLE deduplication RENAME TO deduplication_old')
      for (const name of ['deduplication', 'deduplication_by_expiry', 'remark']) db.exec(definitions.get(name) ?? '')
      db.exec('INSERT INTO deduplication (channel_id, key, message_id, expires_at_ms) SELECT * FROM deduplication_old')
      db.exec('DROP TABLE deduplication_old')
    }]])`,
  },
  { file: 'file/migrate.ts', find: 'import { wrongDefinitions }', replace: 'import { definitions, wrongDefinitions }' },
]
/** The same format, and everything beside it done in another rhythm. */
const otherRhythm: readonly Patch[] = [
  { file: 'group/ownership.ts', find: 'claimAhead = 2048', replace: 'claimAhead = 3' },
  { file: 'file-transport.ts', find: 'const lookMs = 200', replace: 'const lookMs = 50' },
  { file: 'doorbell/doorbell.ts', find: 'const safetyPollMs = 1000', replace: 'const safetyPollMs = 15' },
  { file: 'commit/writer.ts', find: 'const weightMax = 2048', replace: 'const weightMax = 7' },
]

let sameFormat = ''
let newer = ''
let older = ''
before(() => {
  older = makeBuild([])
  sameFormat = makeBuild(otherRhythm)
  newer = makeBuild(nextFormat)
})
after(() => {
  for (const build of [older, sameFormat, newer]) removeBuild(build)
})

function formatOf(path: string): number {
  const db = new DatabaseSync(path)
  const { user_version: version } = db.prepare('PRAGMA user_version').get() as { user_version: number }
  db.close()
  return version
}

test('two builds of one format share a file: both send, both consume, order is kept', { timeout: 60_000 }, async (t) => {
  const path = place(t)
  const services = [new Service(older, path, 'one'), new Service(sameFormat, path, 'two')]
  t.after(() => Promise.all(services.map((service) => service.end())))
  for (const service of services) assert.equal(await service.ask('open'), 'ok')
  for (const service of services) assert.equal(await service.ask('join'), 'ok')
  assert.deepEqual(await Promise.all(services.map((service) => service.ask('sendMany 150'))), ['ok', 'ok'])
  const taken = await Promise.all(services.map((service) => service.ask('take 1500')))
  const lists = taken.map((text) => text.split('\n').filter((line) => line !== ''))
  const all = lists.flat()
  assert.equal(new Set(all).size, 300, 'every message came')
  assert.equal(all.length, 300, 'none came twice')
  for (const list of lists) {
    const last = new Map<string, number>()
    for (const [key, n] of list.map((line) => line.split(' ') as [string, string])) {
      assert.ok((last.get(key) ?? -1) < Number(n), `key ${key} in order`)
      last.set(key, Number(n))
    }
  }
  for (const service of services) assert.equal(await service.ask('close'), 'ok')
})

test('a newer build leaves a file alone that an older one uses, and migrates it afterwards; the older one then says so', { timeout: 60_000 }, async (t) => {
  const path = place(t)
  const publisher = new Service(older, path, 'publisher')
  const late = new Service(newer, path, 'late')
  t.after(() => Promise.all([publisher.end(), late.end()]))
  assert.equal(await publisher.ask('open'), 'ok')
  assert.equal(await publisher.ask('send k 1'), 'ok')
  // A process that only publishes is in no table: SQLite's locks tell.
  const refused = late.ask('open')
  for (let n = 2; n <= 5; n++) assert.equal(await publisher.ask(`send k ${n}`), 'ok')
  assert.match(await refused, /^STORE_BUSY .* has the older format/)
  assert.equal(formatOf(path), formatVersion)
  assert.equal(await publisher.ask('join'), 'ok')
  assert.equal(await publisher.ask('take 300'), 'k 1\nk 2\nk 3\nk 4\nk 5')
  assert.equal(await publisher.ask('send k 6'), 'ok')
  assert.equal(await publisher.ask('close'), 'ok')
  assert.equal(await late.ask('open'), 'ok')
  assert.equal(formatOf(path), next)
  const bytes = readFileSync(path)
  assert.match(await publisher.ask('open'), /^STORE_NEWER_FORMAT /)
  assert.deepEqual(readFileSync(path), bytes)
  assert.equal(await late.ask('join'), 'ok')
  assert.equal(await late.ask('take 300'), 'k 6')
  assert.equal(await late.ask('send k 7'), 'ok')
})

test('a service whose file gets another format under it writes nothing any more, and says why', { timeout: 30_000 }, async (t) => {
  const path = place(t)
  const bus = await openBus(path)
  const consumer = await joinGroup(bus)
  assert.deepEqual((await bus.send([message('before')])).failures, [])
  const [delivery] = await take(consumer, 1)
  assert.ok(delivery)
  // What no build does while others live: somebody by hand, past all locks.
  const db = new DatabaseSync(path)
  db.exec(`UPDATE state SET format = ${next}; PRAGMA user_version = ${next}`)
  const rows = (): unknown =>
    db.prepare('SELECT (SELECT count(*) FROM block) AS blocks, (SELECT commit_seq FROM state) AS seq, (SELECT sum(done_count) FROM partition) AS done').get()
  const untouched = rows()
  const isNewer = (error: unknown): boolean => isSluiceError(error) && error.code === 'STORE_NEWER_FORMAT'
  assert.ok(isNewer((await bus.send([message('after')])).failures[0]?.error))
  await assert.rejects(bus.admin.setPaused('c', 'g', true), isNewer)
  consumer.accept([delivery])
  await consumer.flush().catch(() => undefined)
  const lent = new DatabaseSync(path)
  lent.exec('BEGIN IMMEDIATE')
  await assert.rejects(bus.send([message('inside')], { transaction: lent }), isNewer)
  lent.exec('ROLLBACK')
  lent.close()
  assert.deepEqual(rows(), untouched)
  db.close()
  await bus.close()
  await assert.rejects(openBus(path), isNewer)
})

const skip = spawnSync('strace', ['-f', 'true']).status === 0 ? false : 'needs strace'

for (const [call, every] of [
  ['pwrite64', 8],
  ['fsync', 2],
  ['unlink', 1],
] as const) {
  test(`a migration that is killed at a ${call} leaves one format or the other, and every message`, { skip, timeout: 120_000 }, async (t) => {
    const path = place(t)
    const bus = await openBus(path)
    for (let n = 0; n < 6; n++) await bus.send([{ ...message(`m${n}`, 'k'), deduplicate: { key: `d${n}`, windowMs: 3_600_000 } }])
    await bus.close()
    const program = `const { transport } = await import(${JSON.stringify(join(newer, 'packages/embedded/src/index.ts'))})
      const { systemClock } = await import(${JSON.stringify(join(newer, 'packages/core/src/transport/index.ts'))})
      const bus = await transport.open('file:' + process.argv[1], { clock: systemClock, service: 's', instanceId: 'i', options: {}, report() {} })
      await bus.close()
      console.log('end')`
    let formats = ''
    for (let when = 1; when <= 200; when += every) {
      const copy = `${path}.${when}`
      copyFileSync(path, copy)
      const { stdout } = spawnSync(
        'strace',
        ['-f', '-qq', '-o', '/dev/null', '-e', `inject=${call}:signal=SIGKILL:when=${when}`, process.execPath, '--input-type=module', '-e', program, copy],
        { encoding: 'utf8', timeout: 30_000, env: { ...process.env, UV_THREADPOOL_SIZE: '1' } },
      )
      // Opening rolls an unfinished migration back.
      const format = formatOf(copy)
      formats += format
      const again = await (await transportOf(format === next ? newer : older)).open(`file:${copy}`, context())
      const { messages } = await again.admin.browse('c', { limit: 100 })
      assert.deepEqual(
        messages.map(({ body }) => body),
        ['m0', 'm1', 'm2', 'm3', 'm4', 'm5'],
        `${call} ${when}`,
      )
      // Deduplication outlived it: the table was made anew.
      await again.send([{ ...message('m0 again', 'k'), deduplicate: { key: 'd0', windowMs: 3_600_000 } }])
      assert.equal((await again.admin.groups('c'))[0]?.backlog, 6)
      assert.deepEqual(bodies(await take(await joinGroup(again), 6)), ['m0', 'm1', 'm2', 'm3', 'm4', 'm5'])
      await again.close()
      for (const suffix of ['', '-wal', '-shm', '-bell', '-journal']) rmSync(`${copy}${suffix}`, { force: true })
      if (stdout.includes('end')) break
    }
    assert.match(formats, new RegExp(`^${formatVersion}*${next}+$`))
    t.diagnostic(`formats found after each death: ${formats}`)
  })
}
