/**
 * Bits flipped anywhere in a bus file, by seed: `FLIPS=20000 SEED=7 node --test packages/embedded/test/damage/flipped-bits.test.ts`.
 * Each flip is without effect, or somebody is told in a typed way (opening, reading, a report, `check`); and whatever is
 * read or delivered is, byte for byte, what was sent.
 */
import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { type Consumer, isSluiceError, seededRandom, type Transport, type TransportReport } from '@sluice/core/transport'
import { transport } from '@sluice/embedded'
import { context, joinGroup, message, openBus, place, reason, take } from '../bus-file.ts'

const flips = Number(process.env['FLIPS'] ?? 120)
const seed = Number(process.env['SEED'] ?? 1)
/** A bus with something of everything: log, done ranges, dead letters, parked and suspended lanes, delayed, schedule. */
async function sample(path: string): Promise<void> {
  const bus = await openBus(path)
  const consumer = await joinGroup(bus)
  await bus.send(['dead', 'behind'].map((body) => message(body, 'dead')))
  await bus.send(Array.from({ length: 60 }, (_, i) => message(`text ${i} ${'x'.repeat(i * 7)}`, `k${i % 9}`)))
  for (const delivery of await take(consumer, 62)) {
    if (delivery.envelope.body === 'dead') await consumer.deadLetter([{ delivery, lane: 'key:dead', reason, mode: 'park' }])
    else if (delivery.envelope.body === 'behind') await consumer.lot?.move('key:dead', [delivery], { state: 'parked', dueAtMs: 0 })
    else if (String(delivery.envelope.body).length % 3 === 0) consumer.accept([delivery])
  }
  await consumer.close()
  await bus.send([message('bytes'), { ...message('later'), notBeforeMs: 4_000_000_000_000 }])
  await bus.admin.putSchedule({ name: 'nightly', cron: '0 0 * * *', timeZone: 'UTC', nextAtMs: 4_000_000_000_000, message: message('tick') })
  await bus.close()
  const db = new DatabaseSync(path)
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
}

/** Everything that can be read of a bus, by what it is. */
async function readAll(bus: Transport): Promise<Map<string, string>> {
  const all = new Map<string, string>()
  const { messages } = await bus.admin.browse('c', { limit: 1000 })
  for (const [i, envelope] of messages.entries()) all.set(`log ${i}`, JSON.stringify(envelope))
  for (const letter of await bus.admin.deadLetters('c', 'g', {})) all.set(`dead ${letter.envelope.id}`, JSON.stringify(letter.envelope))
  for (const schedule of await bus.admin.schedules()) all.set(`schedule ${schedule.name}`, JSON.stringify(schedule))
  for (const status of await bus.admin.groups()) all.set(`group ${status.group}`, JSON.stringify({ ...status, oldestAgeMs: 0 }))
  for (const status of await bus.admin.channels()) all.set(`channel ${status.channel}`, JSON.stringify(status))
  return all
}

interface Seen {
  /** Codes of typed errors and error reports, of opening, reading and receiving. */
  readonly told: Set<string>
  readonly read: ReadonlyMap<string, string>
  readonly delivered: ReadonlyMap<string, string>
}

function code(error: unknown): string {
  if (isSluiceError(error)) return error.code
  throw error
}

/** How long a busy machine may take to deliver what is there, ms: less, and nobody is told, is a finding. */
const patienceMs = 20_000
/** Where nobody knows how much there is: nothing more came for so long, ms. */
const quietMs = 1000

/** `expected`: how many deliveries there are; undefined: all that come. */
async function look(path: string, expected: number | undefined): Promise<Seen> {
  const told = new Set<string>()
  const reports: TransportReport[] = []
  let delivered: ReadonlyMap<string, string> = new Map()
  let read: ReadonlyMap<string, string> = new Map()
  let bus: Transport
  try {
    bus = await transport.open(`file:${path}`, context({}, reports))
  } catch (error) {
    return { told: told.add(code(error)), read, delivered }
  }
  try {
    read = await readAll(bus)
    delivered = await receiveAll(await joinGroup(bus), expected, () => reports.some(({ level }) => level === 'error'))
  } catch (error) {
    told.add(code(error))
  }
  await bus.close().catch((error) => told.add(code(error)))
  for (const { level, error } of reports) if (level !== 'info') told.add(error?.code ?? level)
  return { told, read, delivered }
}

/** Until all came, an error was told, or patience is over. */
async function receiveAll(consumer: Consumer, expected: number | undefined, isTold: () => boolean): Promise<ReadonlyMap<string, string>> {
  const delivered = new Map<string, string>()
  let endMs = performance.now() + patienceMs
  const watch = setInterval(() => void (performance.now() >= endMs || isTold() ? consumer.close() : undefined), 5)
  try {
    while (delivered.size < (expected ?? Infinity)) {
      const some = await consumer.receive(1000, Number.POSITIVE_INFINITY)
      if (some.length === 0) break
      for (const { envelope } of some) delivered.set(envelope.id, JSON.stringify(envelope))
      if (expected === undefined) endMs = performance.now() + quietMs
    }
  } finally {
    clearInterval(watch)
  }
  return delivered
}

async function isSound(path: string): Promise<boolean> {
  try {
    return (await (await transport.maintenance?.())?.check(`file:${path}`))?.sound === true
  } catch (error) {
    code(error)
    return false
  }
}

const judge = (truth: Seen, seen: Seen): 'same' | 'different' => {
  const known = new Set([...truth.delivered.values(), ...[...truth.read].filter(([name]) => !/^(group|channel)/.test(name)).map(([, value]) => value)])
  for (const [name, value] of seen.read) if (/^(log|dead|schedule) /.test(name)) assert.ok(known.has(value), `something else was read: ${name} ${value}`)
  for (const [id, value] of seen.delivered) assert.equal(value, truth.delivered.get(id), `something else was delivered: ${id}`)
  const same = JSON.stringify([...seen.read]) === JSON.stringify([...truth.read]) && seen.delivered.size === truth.delivered.size
  return same ? 'same' : 'different'
}

function copy(from: string, to: string, suffixes: readonly string[]): void {
  for (const suffix of ['', '-wal', '-shm', '-bell']) rmSync(`${to}${suffix}`, { force: true })
  for (const suffix of suffixes) copyFileSync(`${from}${suffix}`, `${to}${suffix}`)
}

async function flipAll(t: TestContext, path: string, suffixes: readonly string[], target: string): Promise<void> {
  const random = seededRandom(seed)
  const torn = `${path}.flipped`
  copy(path, torn, suffixes)
  const truth = await look(torn, undefined)
  assert.equal(truth.told.size, 0)
  assert.ok(truth.delivered.size > 20 && truth.read.size > 60)
  const bytes = readFileSync(`${path}${target}`)
  let without = 0
  let detected = 0
  for (let n = 0; n < flips; n++) {
    let at = Math.floor(random() * bytes.length)
    // Most of a small database is room that is not used: three of four flips are in what is.
    if (n % 4 !== 0) while (bytes[at] === 0) at = Math.floor(random() * bytes.length)
    const bit = 1 << Math.floor(random() * 8)
    copy(path, torn, suffixes)
    const changed = Buffer.from(bytes)
    changed[at] = (changed[at] as number) ^ bit
    writeFileSync(`${torn}${target}`, changed)
    const what = `SEED=${seed}, flip ${n}: byte ${at}, bit ${bit}`
    const sound = await isSound(torn)
    const seen = await look(torn, truth.delivered.size).catch((error: unknown) =>
      assert.fail(`${what}: no typed error: ${error instanceof Error ? error.stack : error}`),
    )
    let verdict: 'same' | 'different' = 'same'
    try {
      verdict = judge(truth, seen)
    } catch (error) {
      assert.fail(`${what}: ${error instanceof Error ? error.message : error}`)
    }
    if (verdict === 'same' && seen.told.size === 0) without++
    else {
      assert.ok(seen.told.size > 0 || !sound, `${what}: an effect, and nobody is told`)
      detected++
    }
  }
  t.diagnostic(`${flips} flips, seed ${seed}: ${detected} detected, ${without} without effect, nothing else was ever read or delivered`)
}

test('bits flipped anywhere in the database file', async (t) => {
  const path = place(t)
  await sample(path)
  await flipAll(t, path, [''], '')
})

test('bits flipped anywhere in the log that was not yet moved into the database', async (t) => {
  const made = place(t)
  const bus = await openBus(made)
  await bus.close()
  const keep = new DatabaseSync(made)
  keep.exec('BEGIN; SELECT * FROM state')
  await sample2(made)
  const path = `${made}.kept`
  copy(made, path, ['', '-wal', '-bell'])
  keep.close()
  await flipAll(t, path, ['', '-wal', '-bell'], '-wal')
})

async function sample2(path: string): Promise<void> {
  const bus = await openBus(path)
  await bus.send(Array.from({ length: 60 }, (_, i) => message(`text ${i} ${'x'.repeat(i * 7)}`, `k${i % 9}`)))
  for (let i = 0; i < 20; i++) await bus.send([message(`one ${i}`, `k${i % 9}`)])
  await bus.close()
}
