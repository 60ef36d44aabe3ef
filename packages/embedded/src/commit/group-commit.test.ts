import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SendReport, TransportReport } from '@sluice/core/transport'
import { context, message, openBus, place } from '../../test/bus-file.ts'
import { failingSqlite } from '../../test/failing-sqlite.ts'
import { BusFile } from '../bus-file.ts'
import { declareTopology } from '../group/declare.ts'
import { embeddedOptions } from '../options.ts'
import { Sender } from '../send/sender.ts'
import { type SyncCalls, systemSyncCalls } from './wal-sync.ts'

/** A disk in the test's hands: syncs wait until they are let go, and may fail. */
class Disk implements SyncCalls {
  held: (() => void)[] = []
  failing = false
  holding = false
  calls = 0

  sync(fd: number, done: (error: Error | null) => void): void {
    this.calls++
    const go = (): void => (this.failing ? done(new Error('EIO: injected')) : systemSyncCalls.sync(fd, done))
    if (this.holding) this.held.push(go)
    else setImmediate(go)
  }

  syncNow(fd: number): void {
    this.calls++
    if (this.failing) throw new Error('EIO: injected')
    systemSyncCalls.syncNow(fd)
  }

  letGo(): void {
    for (const go of this.held.splice(0)) go()
  }
}

async function open(t: TestContext, disk: SyncCalls, reports: TransportReport[] = []): Promise<{ readonly bus: BusFile; readonly sender: Sender }> {
  const its = context({}, reports)
  const bus = await BusFile.open(place(t), its, embeddedOptions(its), disk)
  await bus.writer.write((db) => declareTopology(db, { channels: [{ name: 'c', kind: 'events' }], groups: [] }, 8))
  return { bus, sender: new Sender(bus) }
}

/** A send and whether it is confirmed yet. */
function track(sent: Promise<SendReport>): () => SendReport | undefined {
  let confirmed: SendReport | undefined
  void sent.then((report) => {
    confirmed = report
  })
  return () => confirmed
}

/** However long a busy machine takes. */
async function until(holds: () => boolean): Promise<void> {
  for (const endMs = performance.now() + 20_000; !holds() && performance.now() < endMs; ) await sleep(5)
}

test('a confirm waits for a sync that began after its commit', async (t) => {
  const disk = new Disk()
  const { bus, sender } = await open(t, disk)
  disk.holding = true
  const first = track(sender.send([message('1')]))
  await sleep(20)
  assert.equal(disk.held.length, 1)
  const second = track(sender.send([message('2')]))
  await sleep(20)
  assert.deepEqual([first(), second()], [undefined, undefined])
  disk.letGo()
  await until(() => first() !== undefined)
  assert.deepEqual(first()?.failures, [])
  assert.equal(second(), undefined, 'the sync under way began before its commit')
  assert.equal(disk.held.length, 1)
  disk.holding = false
  disk.letGo()
  await until(() => second() !== undefined)
  assert.deepEqual(second()?.failures, [])
  await bus.close()
})

test('a thousand sends in one turn share one transaction and one sync', async (t) => {
  const disk = new Disk()
  const { bus, sender } = await open(t, disk)
  const before = disk.calls
  const seq = bus.committedSeq()
  await Promise.all(Array.from({ length: 1000 }, (_, i) => sender.send([message(String(i))])))
  assert.equal(disk.calls - before, 1)
  assert.equal(bus.committedSeq() - seq, 1)
  await bus.close()
})

test('a failed sync is final: what waited is unknown, nothing is accepted until a checkpoint has made everything durable', async (t) => {
  const disk = new Disk()
  const reports: TransportReport[] = []
  const { bus, sender } = await open(t, disk, reports)
  disk.failing = true
  const lost = await sender.send([message('1')])
  assert.deepEqual(
    lost.failures.map(({ state, error }) => [state, error.code]),
    [['unknown', 'STORE_SYNC_FAILED']],
  )
  disk.failing = false
  const refused = await sender.send([message('2')])
  assert.deepEqual(
    refused.failures.map(({ state, error, retryable }) => [state, error.code, retryable]),
    [['failed', 'STORE_SYNC_FAILED', true]],
  )
  for (let i = 0; bus.sync.failure !== undefined && i < 100; i++) await sleep(20)
  assert.deepEqual((await sender.send([message('3')])).failures, [])
  assert.equal(reports.filter(({ error }) => error?.code === 'STORE_SYNC_FAILED').length, 1)
  await bus.close()
})

test('what was committed before its sync failed is stored once, however often it is sent again', async (t) => {
  const disk = new Disk()
  const { bus, sender } = await open(t, disk)
  await sender.send([message('before', 'k')])
  const messages = [message('1', 'k'), message('2', 'k'), { ...message('later'), notBeforeMs: Date.now() + 60_000 }]
  for (const _ of ['once', 'and again']) {
    disk.failing = true
    const lost = await sender.send(messages)
    assert.deepEqual(
      lost.failures.map(({ state }) => state),
      ['unknown', 'unknown', 'unknown'],
    )
    disk.failing = false
    for (let i = 0; bus.sync.failure !== undefined && i < 100; i++) await sleep(20)
  }
  const more = [message('3', 'k')]
  assert.deepEqual((await sender.send([...messages, ...more])).failures, [])
  // Confirmed: from now on an id that comes again is another message of its caller.
  assert.deepEqual((await sender.send([message('4', 'k')])).failures, [])
  await bus.close()
  const reader = await openBus(bus.path)
  const [channel] = await reader.admin.channels()
  assert.deepEqual([channel?.stored, channel?.scheduled], [5, 1])
  const browsed = await reader.admin.browse('c', { limit: 100 })
  assert.deepEqual(
    browsed.messages.map(({ body }) => body),
    ['before', '1', '2', '3', '4'],
  )
  await reader.close()
})

test('sends that were given up unconfirmed cost later ones nothing: only who sends them again looks for them in the log', async (t) => {
  const disk = new Disk()
  const watched = failingSqlite()
  let looks = 0
  const its = context({ sqlite: watched.sqlite })
  const bus = await BusFile.open(place(t), its, embeddedOptions(its), disk)
  await bus.writer.write((db) => declareTopology(db, { channels: [{ name: 'c', kind: 'events' }], groups: [] }, 8))
  const sender = new Sender(bus)
  const givenUp = message('given up')
  disk.failing = true
  await sender.send([givenUp])
  disk.failing = false
  for (let i = 0; bus.sync.failure !== undefined && i < 100; i++) await sleep(20)
  watched.fails = (sql) => {
    if (sql.startsWith('SELECT') && /FROM (block|delayed)/.test(sql)) looks++
    return false
  }
  for (let i = 0; i < 20; i++) assert.deepEqual((await sender.send([message(`${i}`)])).failures, [])
  assert.equal(looks, 0)
  assert.deepEqual((await sender.send([givenUp])).failures, [])
  assert.ok(looks > 0, 'nobody looked for what was sent again')
  await bus.close()
  const reader = await openBus(bus.path)
  assert.equal((await reader.admin.channels())[0]?.stored, 21)
  await reader.close()
})

test('a disk that takes 300 ms a sync does not stall the event loop, and throughput follows group commit', async (t) => {
  const slow: SyncCalls = {
    sync: (fd, done) => void setTimeout(() => systemSyncCalls.sync(fd, done), 300),
    syncNow: () => assert.fail('a slow disk is never waited for on the loop'),
  }
  const { bus, sender } = await open(t, slow)
  const delay = monitorEventLoopDelay({ resolution: 1 })
  delay.enable()
  const sent: Promise<SendReport>[] = []
  const startMs = performance.now()
  for (let i = 0; i < 100; i++) {
    sent.push(sender.send([message(String(i))]))
    await sleep(5)
  }
  await Promise.all(sent)
  delay.disable()
  const tookMs = performance.now() - startMs
  assert.ok(tookMs < 10_000, `one sync each would take 30 s, this took ${tookMs} ms`)
  assert.ok(delay.percentile(50) / 1e6 < 10, `event loop delay p50 ${delay.percentile(50) / 1e6} ms`)
  await bus.close()
})
