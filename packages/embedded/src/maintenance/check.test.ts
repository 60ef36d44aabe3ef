import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import type { Delivery } from '@sluice/core/transport'
import { joinGroup, message, openBus, place, reason, take } from '../../test/bus-file.ts'
import { encodeRanges } from '../group/progress.ts'
import { backupFile } from './backup.ts'
import { checkFile } from './check.ts'
import { compactFile } from './compact.ts'

async function scene(t: TestContext): Promise<string> {
  const path = place(t)
  const bus = await openBus(path)
  const consumer = await joinGroup(bus)
  await bus.send([message('dead', 'k'), message('behind', 'k'), ...Array.from({ length: 20 }, (_, i) => message(`m${i}`, `k${i}`))])
  const [dead, behind, ...rest] = (await take(consumer, 22)) as [Delivery, Delivery, ...Delivery[]]
  await consumer.deadLetter([{ delivery: dead, lane: 'key:k', reason, mode: 'park' }])
  await consumer.lot?.move('key:k', [behind], { state: 'parked', dueAtMs: 0 })
  consumer.accept(rest.filter((_, i) => i % 2 === 0))
  await consumer.close()
  await bus.send([{ ...message('later'), notBeforeMs: 4_000_000_000_000 }])
  await bus.close()
  assert.deepEqual((await checkFile(path)).findings, [])
  return path
}

const damages: readonly (readonly [what: string, sql: string, code: string])[] = [
  ['a block that is gone', 'DELETE FROM block', 'HOLE'],
  ['a block of no channel', 'INSERT INTO block SELECT (9 << 44) | 1, count, seq, stored_at_ms, bytes, data FROM block LIMIT 1', 'ORPHAN'],
  ['a block that says less than it holds', 'UPDATE block SET count = count - 1', 'BLOCK_DAMAGED'],
  ['a block from the future', 'UPDATE block SET seq = 100000', 'BLOCK_SEQ'],
  ['a channel that counts wrong bytes', 'UPDATE channel SET kept_bytes = 1', 'CHANNEL'],
  ['a channel that counts wrong groups', 'UPDATE channel SET group_count = 7', 'CHANNEL'],
  ['a cursor beyond the log', 'UPDATE partition SET cursor = 1000 WHERE residue = 0', 'CURSOR'],
  ['a counter that is off by one', 'UPDATE partition SET done_count = done_count + 1 WHERE residue = 0', 'COUNTER'],
  ['ranges that run backwards', `UPDATE partition SET done = '${encodeRanges([9, 7])}' WHERE residue = 0`, 'DONE_RANGES'],
  ['ranges that differ from what was written', `UPDATE partition SET done = replace('${encodeRanges([7, 9])}', '[7,', '[6,') WHERE residue = 0`, 'DONE_RANGES'],
  ['ranges that are no ranges', "UPDATE partition SET done = '{' WHERE residue = 0", 'DONE_RANGES'],
  ['a partition that is gone', 'DELETE FROM partition WHERE residue = 3', 'PARTITIONS'],
  ['partitions of no group', 'UPDATE partition SET group_id = 77', 'ORPHAN'],
  ['a group of no channel', 'UPDATE consumer_group SET channel_id = 77', 'ORPHAN'],
  ['a member of no process', "INSERT INTO member (process_id, group_id, types, in_flight) VALUES (77, 1, '[]', 0)", 'MEMBER'],
  ['a parked lane without its dead letter', 'DELETE FROM dead_letter', 'LANE'],
  ['a dead letter that parks an open lane', "UPDATE lot_lane SET state = 'suspended'", 'LANE'],
  ['a lane that counts wrong', 'UPDATE lot_lane SET count = 5', 'LANE'],
  ['a lane under another name', "UPDATE lot_lane SET lane = 'key:j'", 'LANE'],
  ['parked messages of no lane', 'UPDATE lot_entry SET lane_id = 77', 'ORPHAN'],
  ['a parked message with another body', "UPDATE lot_entry SET body = 'other'", 'MESSAGE_DAMAGED'],
  ['a dead letter with other attributes', 'UPDATE dead_letter SET attributes = replace(attributes, \'"k"\', \'"j"\')', 'MESSAGE_DAMAGED'],
  ['a delayed message with another body', "UPDATE delayed SET body = 'other'", 'MESSAGE_DAMAGED'],
  ['a delayed message that is due at another time', 'UPDATE delayed SET due_at_ms = due_at_ms - 1', 'MESSAGE_DAMAGED'],
  ['a dead letter for another reason', "UPDATE dead_letter SET reason = replace(reason, 'no', 'on')", 'MESSAGE_DAMAGED'],
  ['a delayed message of no channel', 'UPDATE delayed SET channel_id = 77', 'ORPHAN'],
  ['a delayed message that nobody waits for', 'UPDATE state SET next_due_ms = NULL', 'NEXT_DUE'],
  ['no row that says where the file stands', 'DELETE FROM state', 'STATE'],
  ['an index that is gone', 'DROP INDEX delayed_by_due', 'SCHEMA'],
  ['a trigger on our tables', 'CREATE TRIGGER mine AFTER INSERT ON block BEGIN DELETE FROM block; END', 'SCHEMA'],
]

for (const [what, sql, code] of damages)
  test(`check finds ${what}`, async (t) => {
    const path = await scene(t)
    const db = new DatabaseSync(path)
    db.exec(sql)
    db.close()
    const { sound, findings } = await checkFile(path)
    assert.equal(sound, false)
    assert.ok(
      findings.some((finding) => finding.code === code && finding.level === 'error'),
      JSON.stringify(findings, undefined, 1),
    )
  })

test('a damaged file is not compacted, and the error says its code and its fix once', async (t) => {
  const path = await scene(t)
  const db = new DatabaseSync(path)
  db.exec('UPDATE block SET data = zeroblob(length(data))')
  db.close()
  await assert.rejects(compactFile(path), (error: Error) => {
    assert.match(error.message, /^STORE_CORRUPT: .* is damaged and was left as it is: [^:]*damaged\. Run `sluice check` on it$/)
    return true
  })
})

test('tables of the application in the same file are none of our business', async (t) => {
  const path = await scene(t)
  const db = new DatabaseSync(path)
  db.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY); CREATE TRIGGER theirs AFTER INSERT ON orders BEGIN DELETE FROM orders; END')
  db.close()
  assert.equal((await checkFile(path)).sound, true)
})

test('a damaged file is neither compacted nor backed up', async (t) => {
  const path = await scene(t)
  const db = new DatabaseSync(path)
  db.exec("UPDATE delayed SET body = 'other'")
  db.close()
  await assert.rejects(compactFile(path), { code: 'STORE_CORRUPT' })
  await assert.rejects(backupFile(path, `${path}.copy`), { code: 'STORE_CORRUPT' })
  assert.ok(!existsSync(`${path}.copy`))
  assert.deepEqual(
    readdirSync(dirname(path)).filter((name) => name.includes('.part')),
    [],
  )
})

test('compacting gives room back, and a kill -9 at any moment of it loses nothing', async (t) => {
  const path = place(t)
  const bus = await openBus(path)
  for (let i = 0; i < 40; i++) await bus.send(Array.from({ length: 100 }, (_, n) => message(`${i} ${n} ${'x'.repeat(500)}`)))
  await bus.admin.purge('c', 'g')
  await bus.close()
  const db = new DatabaseSync(path)
  db.exec('CREATE TABLE ballast AS SELECT zeroblob(8000000) AS x; DROP TABLE ballast')
  db.close()
  const { messages } = await checkFile(path)
  const script = `import { compactFile } from ${JSON.stringify(import.meta.resolve('./compact.ts'))}; console.log('go'); await compactFile(${JSON.stringify(path)})`
  for (let round = 0; round < 8; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    await new Promise((resolve) => child.stdout.once('data', resolve))
    setTimeout(() => child.kill('SIGKILL'), round * 12)
    await ended
    // Read only, the check cannot roll a journal back: whoever opens the bus next does.
    await (await openBus(path)).close()
    const after = await checkFile(path)
    assert.deepEqual(after.findings, [])
    assert.equal(after.messages, messages)
  }
  const report = await compactFile(path)
  assert.ok(report.compacted && report.bytesAfter < 8_000_000, JSON.stringify(report))
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.equal((await checkFile(path)).messages, messages)
})

test('a folder in the place of the file is said to be no bus, not a disk that fails', async (t) => {
  const folder = dirname(place(t))
  await assert.rejects(checkFile(folder), { code: 'STORE_NOT_A_BUS' })
  await assert.rejects(compactFile(folder), { code: 'STORE_NOT_A_BUS' })
  await assert.rejects(backupFile(folder, `${folder}.copy`), { code: 'STORE_NOT_A_BUS' })
})
