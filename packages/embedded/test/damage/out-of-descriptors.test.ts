/** A process that has no file descriptors left, with every number of free ones: typed, nothing damaged, and it goes on. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { bodies, joinGroup, openBus, place, take } from '../bus-file.ts'

const hasLimit = spawnSync('prlimit', ['--version']).status === 0
const script = fileURLToPath(new URL('./out-of-descriptors.ts', import.meta.url))

test('without descriptors opening says so, a bus that is open goes on, and no confirmed message is lost', {
  skip: hasLimit ? false : 'needs prlimit',
  timeout: 60_000,
}, async (t) => {
  const path = place(t)
  const { stdout, stderr, status } = spawnSync('prlimit', ['--nofile=160:160', process.execPath, script, path], { encoding: 'utf8', timeout: 50_000 })
  assert.equal(status, 0, stderr)
  const lines = stdout.trim().split('\n')
  const opened = lines.filter((line) => line.startsWith('open '))
  // With none free it cannot work, with many it does: in between the codes are typed ones.
  assert.match(opened[0] ?? '', /^open 0 TRANSPORT_FAILED$/)
  assert.ok(opened.some((line) => line.endsWith(' ok')))
  for (const line of opened) assert.match(line, /^open \d+ (ok|TRANSPORT_FAILED)$/)
  assert.ok(lines.includes('sent 300'), stdout)
  assert.ok(!lines.some((line) => line.startsWith('failed')), stdout)
  const confirmed = lines.filter((line) => line.startsWith('confirmed ')).map((line) => line.slice('confirmed '.length))
  const bus = await openBus(path)
  const delivered = bodies(await take(await joinGroup(bus), confirmed.length))
  assert.deepEqual(
    delivered.map((body) => body.split(' ')[0]),
    confirmed,
  )
  await bus.close()
})
