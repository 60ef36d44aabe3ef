import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { bodies, joinGroup, message, openBus, take } from '../bus-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-full-'))
const mounted = process.getuid?.() === 0 && spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder]).status === 0

test('a full disk: typed, nothing damaged, and it heals when there is room', {
  skip: mounted ? false : 'needs root, to mount a small tmpfs',
  timeout: 60_000,
}, async (t) => {
  t.after(() => {
    spawnSync('umount', [folder])
    rmSync(folder, { recursive: true, force: true })
  })
  writeFileSync(join(folder, 'ballast'), Buffer.alloc(2 * 1024 * 1024))
  const bus = await openBus(join(folder, 'bus.db'))
  const consumer = await joinGroup(bus)
  const confirmed: string[] = []
  let full = 0
  for (let n = 0; full < 5 && n < 1000; n++) {
    const body = `${n}:${'x'.repeat(20_000)}`
    const { failures } = await bus.send([message(body, 'k')])
    if (failures.length === 0) confirmed.push(body)
    else {
      full++
      // A call overlaps others until whoever awaited it has had its turn; then the same key may be sent again.
      await sleep(1)
      assert.deepEqual([failures[0]?.state, failures[0]?.error.code, failures[0]?.retryable], ['failed', 'STORE_FULL', true])
    }
  }
  assert.equal(full, 5)
  // What is delivered can still be settled in memory; it is written when there is room.
  const taken = await take(consumer, confirmed.length)
  assert.deepEqual(bodies(taken), confirmed)
  consumer.accept(taken)
  await sleep(300)
  // A flush says so at once instead of waiting for room.
  await consumer.flush()
  rmSync(join(folder, 'ballast'))
  let healed = false
  for (let i = 0; i < 50 && !healed; i++) {
    healed = (await bus.send([message('after', 'k')])).failures.length === 0
    if (!healed) await sleep(100)
  }
  assert.ok(healed)
  await consumer.flush()
  assert.deepEqual(bodies(await take(consumer, 1)), ['after'])
  await bus.close()
  const again = await openBus(join(folder, 'bus.db'))
  assert.equal((await again.admin.groups('c'))[0]?.backlog, 1)
  // A stop does not wait for room.
  const last = await joinGroup(again)
  const [left] = await take(last, 1)
  try {
    for (;;) writeFileSync(join(folder, 'ballast'), Buffer.alloc(4096), { flag: 'a' })
  } catch {
    // Full again.
  }
  for (let n = 0; n < 20; n++) await again.send([message('x'.repeat(100_000))])
  if (left !== undefined) last.accept([left])
  const startMs = performance.now()
  await last.flush()
  await again.close()
  assert.ok(performance.now() - startMs < 3000)
})
