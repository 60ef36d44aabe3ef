import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { membership, trial, watcher } from '../trial.fixture.ts'

const rounds = 3
const connections = 6

/** What another process does: it begins on the empty virtual host, sends one message and says how that went. */
const beginner = `
  const { transport } = await import(process.argv[1])
  const { newId, systemClock } = await import('@sluice/core/transport')
  const id = newId()
  const opened = await transport.open(process.argv[2], { clock: systemClock, service: 'beginner', instanceId: id, report: () => {}, options: {} })
  await opened.declare({ channels: [{ name: 'c', kind: 'events', partitions: 2 }], groups: [] })
  const envelope = { id, type: 't', source: 'test', time: '2026-01-01T00:00:00.000Z', body: '{}' }
  const { failures } = await opened.send([{ channel: 'c', envelope, sizeBytes: 200 }])
  console.log(JSON.stringify({ id, failures: failures.map(({ error }) => String(error)) }))
  await opened.close()
`

for (let round = 1; round <= rounds; round++)
  test(`several that begin at once on an empty virtual host all come up, send and consume, ${round}`, async () => {
    const place = await trial()
    try {
      const code = new URL('../index.ts', import.meta.url).href
      // What breaks here is not to be a heartbeat that a starved machine missed.
      const url = place.url.replace('heartbeat=2', 'heartbeat=60')
      const children = [1, 2].map(() => {
        const child = spawn(process.execPath, ['--input-type=module', '-e', beginner, code, url], { cwd: import.meta.dirname })
        return Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
      })
      const members = await Promise.all(Array.from({ length: connections }, () => place.open({}, url)))
      await Promise.all(members.map((member) => member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 2 }], groups: [] })))
      const [first] = members
      assert.ok(first !== undefined)
      const consumer = await first.consume(membership, watcher())
      const wanted = new Set<string>()
      await Promise.all(
        members.map(async (member, n) => {
          const envelope = { id: `m${n}`, type: 't', source: 'test', time: '2026-01-01T00:00:00.000Z', body: '{}' }
          wanted.add(envelope.id)
          assert.deepEqual((await member.send([{ channel: 'c', envelope, sizeBytes: 200 }])).failures, [])
        }),
      )
      for (const [said, complaint] of await Promise.all(children)) {
        assert.ok(said !== '', complaint)
        const { id, failures }: { readonly id: string; readonly failures: readonly string[] } = JSON.parse(said)
        assert.deepEqual(failures, [])
        wanted.add(id)
      }
      const came = new Set<string>()
      while (came.size < wanted.size) for (const { envelope } of await consumer.receive(10, 1_000_000)) came.add(envelope.id)
      assert.deepEqual([...came].toSorted(), [...wanted].toSorted())
      assert.deepEqual(
        place.reports.filter(({ message }) => message.includes('broke')),
        [],
      )
    } finally {
      await place.dispose()
    }
  })
