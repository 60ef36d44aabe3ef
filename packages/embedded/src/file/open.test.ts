import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isSluiceError } from '@sluice/core/transport'
import { bodies, joinGroup, message, openBus, place, take } from '../../test/bus-file.ts'
import { formatVersion } from './format.ts'
import { isSoundSqlite } from './open.ts'
import { pathOfUrl } from './url.ts'

const code =
  (expected: string) =>
  (error: unknown): boolean =>
    isSluiceError(error) && error.code === expected

test('folder and files are private', async (t) => {
  const path = join(dirname(place(t)), 'new', 'deep', 'bus.db')
  const bus = await openBus(path)
  await bus.send([message('x')])
  assert.equal(statSync(dirname(path)).mode & 0o777, 0o700)
  assert.equal(statSync(dirname(dirname(path))).mode & 0o777, 0o700)
  for (const suffix of ['', '-wal', '-shm', '-bell']) assert.equal(statSync(`${path}${suffix}`).mode & 0o777, 0o600, suffix)
  await bus.close()
  chmodSync(path, 0o644)
  await (await openBus(path)).close()
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

/** What somebody else is told who opens it: `opened`, or the code of the error. */
function openAsNobody(path: string): string {
  const script = `import { transport } from ${JSON.stringify(import.meta.resolve('@sluice/embedded'))}
    import { systemClock } from ${JSON.stringify(import.meta.resolve('@sluice/core/transport'))}
    await transport.open('file:${path}', { clock: systemClock, service: 's', instanceId: 'i', options: {}, report() {} }).then(() => console.log('opened'), (e) => console.log(e.code))`
  const nobody = spawnSync(process.execPath, ['--input-type=module', '-e', script], { uid: 65534, gid: 65534, encoding: 'utf8' })
  return nobody.stdout.trim() || nobody.stderr
}

test('what is not a bus file is refused and left as it is', async (t) => {
  const path = place(t)
  writeFileSync(path, 'my only copy of something else, longer than a header of a database has to be, and of text all the way through')
  const before = readFileSync(path)
  await assert.rejects(openBus(path), code('STORE_NOT_A_BUS'))
  assert.deepEqual(readFileSync(path), before)
  assert.ok(!existsSync(`${path}-wal`))
})

test('a database of another application is refused and left as it is', async (t) => {
  const path = place(t)
  const other = new DatabaseSync(path)
  other.exec('CREATE TABLE mine (x)')
  other.close()
  const before = readFileSync(path)
  await assert.rejects(openBus(path), code('STORE_NOT_A_BUS'))
  assert.deepEqual(readFileSync(path), before)
})

test('a folder in the place of the file is refused', async (t) => {
  const path = place(t)
  mkdirSync(path)
  await assert.rejects(openBus(path), code('STORE_NOT_A_BUS'))
})

test('a file of a newer format is refused and left as it is', async (t) => {
  const path = place(t)
  await (await openBus(path)).close()
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA user_version = ${formatVersion + 1}`)
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
  const before = readFileSync(path)
  await assert.rejects(openBus(path), code('STORE_NEWER_FORMAT'))
  assert.deepEqual(readFileSync(path), before)
})

test('the frozen copy of format 1 opens, with everything in it', async (t) => {
  const path = place(t)
  copyFileSync(fileURLToPath(new URL('../../test/frozen/format-1.db', import.meta.url)), path)
  const bus = await openBus(path)
  const [status] = await bus.admin.groups('c')
  assert.deepEqual([status?.backlog, status?.deadLetters, status?.parkedLanes, status?.suspendedLanes], [5, 1, 1, 1])
  assert.equal((await bus.admin.channels())[0]?.scheduled, 1)
  assert.equal((await bus.admin.schedules()).length, 1)
  const [letter] = await bus.admin.deadLetters('c', 'g', {})
  assert.equal(letter?.envelope.body, 'dead')
  const consumer = await joinGroup(bus)
  assert.deepEqual(bodies(await take(consumer, 3)).sort(), ['after', 'attempted', 'bytes \0 ü'])
  await bus.close()
})

test('two processes create and open the same file at once', async (t) => {
  const path = place(t)
  const all = await Promise.all(Array.from({ length: 6 }, () => openBus(path)))
  for (const [i, bus] of all.entries()) assert.deepEqual((await bus.send([message(`m${i}`)])).failures, [])
  const consumer = await joinGroup(all[0] as (typeof all)[number])
  assert.equal((await take(consumer, 6)).length, 6)
  await Promise.all(all.map((bus) => bus.close()))
})

test('a file that may not be written is refused when it is opened', {
  skip: process.getuid?.() === 0 ? false : 'needs root, to become somebody else',
}, async (t) => {
  const path = place(t)
  await (await openBus(path)).close()
  chmodSync(dirname(path), 0o755)
  chmodSync(path, 0o444)
  assert.equal(openAsNobody(path), 'STORE_READ_ONLY')
  chownSync(path, 0, 0)
})
test('a file of ours in a folder that may not be written is refused when it is opened, and left as it is', {
  skip: process.getuid?.() === 0 ? false : 'needs root, to become somebody else',
}, async (t) => {
  const path = place(t)
  await (await openBus(path)).close()
  chownSync(path, 65534, 65534)
  rmSync(`${path}-bell`)
  chmodSync(dirname(path), 0o555)
  const before = readFileSync(path)
  assert.equal(openAsNobody(path), 'STORE_READ_ONLY')
  assert.deepEqual(readFileSync(path), before)
  // Nor is one made there.
  assert.equal(openAsNobody(join(dirname(path), 'new.db')), 'STORE_READ_ONLY')
  assert.equal(openAsNobody(join(dirname(path), 'deep', 'new.db')), 'STORE_READ_ONLY')
  chmodSync(dirname(path), 0o700)
})

test('a log that is torn at any byte loses at most what was not synced, and never opens damaged', async (t) => {
  const path = place(t)
  const bus = await openBus(path)
  for (let i = 0; i < 20; i++) await bus.send([message(`m${i}`, 'k')])
  const copy = (suffix: string, to: string): void => copyFileSync(`${path}${suffix}`, `${to}${suffix}`)
  const walBytes = statSync(`${path}-wal`).size
  for (let round = 0; round < 25; round++) {
    const torn = `${path}.${round}`
    copy('', torn)
    copy('-wal', torn)
    truncateSync(`${torn}-wal`, Math.floor((walBytes * round) / 25) + (round % 7))
    if (round < 8) {
      // The schema itself was synced before anything was confirmed: cut before it, the file is empty and made anew.
      const again = await openBus(torn)
      await again.close()
      continue
    }
    const again = await openBus(torn)
    const { messages } = await again.admin.browse('c', { limit: 100 })
    assert.deepEqual(
      messages.map((each) => each.body),
      Array.from({ length: messages.length }, (_, i) => `m${i}`),
    )
    assert.deepEqual((await again.send([message('after', 'k')])).failures, [])
    await again.close()
  }
  await bus.close()
})

test('SQLite with the WAL-reset bug is refused', () => {
  for (const version of ['3.44.5', '3.45.0', '3.49.2', '3.50.6', '3.51.2', '3.40.1']) assert.ok(!isSoundSqlite(version), version)
  for (const version of ['3.44.6', '3.50.7', '3.51.3', '3.52.0', '3.53.4', '4.0.0']) assert.ok(isSoundSqlite(version), version)
})

test('a folder that cannot be made is an error, not a wait', { skip: process.platform === 'linux' ? false : 'only Linux has /proc' }, async () => {
  await assert.rejects(openBus('/proc/x/bus.db'), code('TRANSPORT_FAILED'))
})

test('URLs', () => {
  assert.equal(pathOfUrl('file:/a/b.db'), '/a/b.db')
  assert.equal(pathOfUrl('file:///a/b%20c.db'), '/a/b c.db')
  assert.equal(pathOfUrl('file:./x.db'), join(process.cwd(), 'x.db'))
  for (const bad of ['file:', 'file:/a/', 'file:/a?mode=ro', 'file:/%00', 'http:/a', 'file:/%zz'])
    assert.throws(() => pathOfUrl(bad), code('INVALID_OPTION'), bad)
})
