/** What is Redis's own: settings as facts, users, TLS, memory, lost data, plain clients. Each on a server of this file's own. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { FaultProxy, message, numbered, type Rig } from '@sluice/conformance'
import { isSluiceError, type TransportReport } from '@sluice/core/transport'
import { CloudEvent } from 'cloudevents'
import { createClient } from 'redis'
import { ownServer } from './own-server.ts'
import { eventually, openRig } from './redis-rig.ts'

type Started = Awaited<ReturnType<typeof ownServer>>

async function refusal(url: string, options: object = {}): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await openRig(url, options)
  } catch (error) {
    assert.ok(isSluiceError(error), String(error))
    assert.ok(!error.message.includes('secret') && !JSON.stringify(error).includes('secret'))
    return error
  }
  assert.fail('it was let in')
}

describe('redis: a server of its own', { concurrency: 1 }, () => {
  let server: Started
  let plain: ReturnType<typeof createClient>
  const rigs: Rig[] = []
  const rigOn = async (prefix: string, options: object = {}): Promise<Rig> => {
    const rig = await openRig(`${server.url}?prefix=${prefix}:`, options)
    rigs.push(rig)
    return rig
  }

  before(async () => {
    server = await ownServer('redis')
    plain = createClient({ url: server.url })
    await plain.connect()
  })
  after(async () => {
    for (const rig of rigs) await rig.close()
    plain.destroy()
    await server.down()
  })

  test('appendfsync and the eviction policy are facts', async () => {
    const facts = async (name: string): Promise<string> => {
      const rig = await rigOn(name)
      const { confirm, notes } = rig.facts
      return `${confirm}: ${notes.join(' ')}`
    }
    assert.match(await facts('f1'), /^synced: /)
    await plain.configSet('appendonly', 'no')
    assert.match(await facts('f0'), /^process: .*keeps no append-only file.*Set appendonly yes/)
    await plain.configSet({ appendonly: 'yes', appendfsync: 'everysec' })
    assert.match(await facts('f2'), /^process: .*appendfsync is everysec.*Set appendfsync always/)
    await plain.configSet({ maxmemory: '100mb', 'maxmemory-policy': 'allkeys-lru' })
    assert.match(await facts('f3'), /^none: .*maxmemory-policy is allkeys-lru.*noeviction/)
    await plain.configSet({ maxmemory: '0', 'maxmemory-policy': 'noeviction', appendfsync: 'always' })
  })

  test('a server without memory: sending fails and says so, settling goes on, then all comes in order', async () => {
    const rig = await rigOn('oom')
    const sender = await rig.channel({ groups: ['g'], retention: { maxBytes: 1 } })
    await sender.send(numbered(20, ['a', 'b']))
    const probe = await rig.join(await rig.open())
    const taken = await probe.take(20)
    await plain.configSet('maxmemory', '1mb')
    const { failures } = await sender.send(numbered(4, ['a'], 20))
    assert.deepEqual(
      failures.map(({ error, state, retryable }) => [error.code, state, retryable]),
      Array.from({ length: 4 }, () => ['BACKPRESSURE', 'failed', true]),
    )
    probe.consumer.accept(taken)
    await probe.consumer.flush()
    assert.deepEqual([probe.lost.length, probe.settlementsLost.length], [0, 0])
    await plain.configSet('maxmemory', '0')
    assert.deepEqual((await sender.send(numbered(4, ['a'], 20))).failures, [])
    const rest = await probe.drain(4)
    assert.deepEqual(
      rest.map(({ envelope }) => envelope.body),
      ['20', '21', '22', '23'],
    )
  })

  test('a server that lost its data: the group is made anew, loudly, and consuming goes on', async () => {
    const rig = await rigOn('flushed')
    const sender = await rig.channel({ groups: ['g'] })
    const probe = await rig.join(await rig.open())
    await sender.send(numbered(5, ['a']))
    await probe.drain(5)
    await plain.flushAll()
    const said = (): TransportReport | undefined =>
      rig.reports.find(({ level, message: text }) => level === 'error' && text.includes('not on the server any more'))
    await eventually(() => said() !== undefined, 'a report')
    await eventually(async () => (await sender.send([message({ key: 'a', body: 'after' })])).failures.length === 0, 'the channel')
    assert.equal((await probe.drain(1))[0]?.envelope.body, 'after')
  })

  test('connections killed by a person: all heal, nothing is lost', async () => {
    const rig = await rigOn('killed')
    const sender = await rig.channel({ groups: ['g'] })
    const probe = await rig.join(await rig.open())
    for (let round = 0; round < 3; round++) {
      await plain.sendCommand(['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'])
      await eventually(
        async () => (await sender.send([message({ key: 'a', body: String(round), id: `k${round}` })], { resend: true })).failures.length === 0,
        'a confirm',
      )
      assert.equal((await probe.drain(1))[0]?.envelope.body, String(round))
    }
    assert.ok(rig.reports.some(({ message: text }) => text.includes('is lost; it is opened again')))
  })

  test('of the parking lot, only what the dead owner had in hand is suspect', async () => {
    const rig = await rigOn('suspect')
    const [first, second] = [await rig.channel(), await rig.open()]
    const victim = await rig.join(first)
    await first.send(numbered(4, ['a']))
    await victim.lot.move('key:a', await victim.take(4), { state: 'suspended', dueAtMs: 0 })
    const { partition } = victim.lanes.get('key:a') ?? { partition: [...victim.owned].find((name) => name !== '') ?? '' }
    const owned = async (): Promise<string> => {
      for (const name of victim.owned) {
        const read = await victim.lot.read(name, 'key:a', 2).catch(() => [])
        if (read !== undefined && read.length > 0) return name
      }
      return partition
    }
    const held = await owned()
    if ('crash' in first && typeof first.crash === 'function') first.crash()
    const heir = await rig.join(second)
    await heir.until(() => heir.lanes.has('key:a'), 'the lane')
    const lane = await heir.lot.read(heir.lanes.get('key:a')?.partition ?? held, 'key:a', 10)
    assert.deepEqual(
      lane?.map(({ suspect, envelope }) => [envelope.body, suspect]),
      [
        ['0', true],
        ['1', true],
        ['2', false],
        ['3', false],
      ],
    )
  })

  test('a plain client writes, ours are read by plain clients and are CloudEvents', async () => {
    const rig = await rigOn('plain')
    const sender = await rig.channel({ groups: ['g'] })
    const key = 'plain:{c}'
    await plain.xAdd(key, '*', { ce_id: 'p1', ce_type: 't', ce_source: 'cli', ce_partitionkey: 'k', data: '{"n":1}' })
    await plain.xAdd(key, '*', { event: JSON.stringify({ specversion: '1.0', id: 'p2', type: 't', source: 'cli', partitionkey: 'k', data: { n: 2 } }) })
    await plain.xAdd(key, '*', { nonsense: '1' })
    const probe = await rig.join(await rig.open())
    const got = await probe.drain(3)
    assert.deepEqual(
      got
        .map(({ envelope: { id, type, body } }) => [id, type, String(body)])
        .slice(0, 2)
        .sort(),
      [
        ['p1', 't', '{"n":1}'],
        ['p2', 't', '{"n":2}'],
      ],
    )
    assert.equal(got.find(({ envelope }) => envelope.type === 'undecodable')?.envelope.datacontenttype, 'application/octet-stream')
    assert.deepEqual((await sender.admin.groups('c'))[0]?.backlog, 0)

    await sender.send([message({ key: 'k', id: 'ours', body: '{"n":3}', subject: 'größe', headers: { h: 'v' } })])
    const entries = await plain.xRange(key, '-', '+')
    const fields = entries?.at(-1)?.message ?? {}
    const attributes = Object.fromEntries(Object.entries(fields).flatMap(([name, value]) => (name.startsWith('ce_') ? [[name.slice(3), value]] : [])))
    const event = new CloudEvent({ ...attributes, data: JSON.parse(fields.data ?? '') } as ConstructorParameters<typeof CloudEvent>[0])
    assert.deepEqual([event.id, event.type, event.subject, event.partitionkey, event.data, fields['h:h']], ['ours', 't', 'größe', 'k', { n: 3 }, 'v'])
  })
})

describe('redis: TLS and users', { concurrency: 1 }, () => {
  let server: Started
  before(async () => {
    server = await ownServer('redis-tls')
  })
  after(() => server.down())

  test('a private authority, by its file; a narrow user can do all that is needed', async () => {
    const rig = await openRig(server.url, { ca: server.extras.ca })
    try {
      assert.match(rig.facts.notes.join(), /does not tell its appendfsync/)
      const sender = await rig.channel({ groups: ['g'] })
      await sender.send(numbered(10, ['a', undefined]))
      const probe = await rig.join(await rig.open())
      assert.equal((await probe.drain(10)).length, 10)
      assert.equal((await sender.admin.groups('c'))[0]?.backlog, 0)
      assert.equal(rig.reports.filter(({ level }) => level !== 'info').length, 0, JSON.stringify(rig.reports))
    } finally {
      await rig.close()
    }
  })

  test('an unknown authority, a wrong password, no password, a user without rights: each is told apart', async () => {
    const { ca } = server.extras
    const refusedAs = async (code: string, url: string, text: RegExp, options: object = { ca }): Promise<void> => {
      const said = await refusal(url, options)
      assert.equal(said.code, code, said.message)
      assert.match(said.message, text)
    }
    await refusedAs('TRANSPORT_UNTRUSTED', server.url, /\(SELF_SIGNED_CERT_IN_CHAIN\).*redis: \{ ca \}/, {})
    await refusedAs('TRANSPORT_UNTRUSTED', server.url, /ALTNAME.*a name that the certificate holds/, { ca, tls: { servername: 'else.where' } })
    await refusedAs('TRANSPORT_UNAUTHENTICATED', server.url.replace('secret', 'wrong'), /WRONGPASS.*passwordFile/)
    await refusedAs('TRANSPORT_UNAUTHENTICATED', server.url.replace('app:secret@', ''), /NOAUTH.*passwordFile/)
    await refusedAs('TRANSPORT_FORBIDDEN', server.extras.guarded ?? '', /NOPERM.*ACL user/)
    const other = await openRig(`${server.url}?prefix=other:`, { ca })
    await assert.rejects(other.channel(), { code: 'TRANSPORT_FORBIDDEN', message: /NOPERM/ })
    await other.close()
  })

  test('a server that is silent: connecting ends by its time-out', async () => {
    const { port } = new URL(server.url)
    const proxy = await FaultProxy.to('localhost', Number(port))
    proxy.weather = { deafClient: true }
    const { message: text } = await refusal(`rediss://app:secret@localhost:${proxy.port}`, { ca: server.extras.ca, connectTimeoutMs: 300 })
    assert.match(text, /cannot connect/)
    await proxy.close()
  })
})
