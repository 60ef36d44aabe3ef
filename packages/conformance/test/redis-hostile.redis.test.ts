/** What people, other programs and a full disk do to a Redis that a bus lies on. Each is told typed, and heals by itself within 30 s. */
import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { message, numbered, type Rig } from '@sluice/conformance'
import type { Transport } from '@sluice/core/transport'
import { createClient } from 'redis'
import { ownServer } from './own-server.ts'
import { eventually, openRig } from './redis-rig.ts'

describe('redis: hostile input', { concurrency: 1 }, () => {
  let server: Awaited<ReturnType<typeof ownServer>>
  let plain: ReturnType<typeof createClient>
  const rigs: Rig[] = []
  const rigOn = async (prefix: string): Promise<Rig> => {
    const rig = await openRig(`${server.url}?prefix=${prefix}:`)
    rigs.push(rig)
    return rig
  }
  /** Sends what is not stored yet until all is, as the core does. */
  const sendAll = async (sender: Transport, messages: ReturnType<typeof numbered>): Promise<void> => {
    let left = messages
    await eventually(async () => {
      const { failures } = await sender.send(left, { resend: left !== messages })
      for (const { retryable, error } of failures) assert.ok(retryable, error.message)
      left = failures.map(({ index }) => left[index] as (typeof left)[0])
      return left.length === 0
    }, 'all to be confirmed')
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

  test('scripts that a person flushes are taught again, again and again', async () => {
    const rig = await rigOn('flushed')
    const sender = await rig.channel({ groups: ['g'] })
    const probe = await rig.join(await rig.open())
    let flushing = true
    const flushes = (async (): Promise<void> => {
      while (flushing) await plain.scriptFlush()
    })()
    for (let round = 0; round < 10; round++) {
      await sender.send(numbered(10, ['a', 'b'], round * 10))
      const got = await probe.take(10)
      await probe.deadLetter(got[0] as (typeof got)[0], 'continue')
      probe.consumer.accept(got.slice(1))
      await probe.consumer.flush()
    }
    flushing = false
    await flushes
    assert.deepEqual([probe.lost, probe.settlementsLost], [[], []])
    const [row] = await sender.admin.groups('c')
    assert.deepEqual([row?.backlog, row?.deadLetters], [0, 10])
  })

  test('entries that are no messages come once as what they are, and nothing waits behind them', async () => {
    const rig = await rigOn('garbage')
    const sender = await rig.channel({ groups: ['g'] })
    await sender.send([message({ key: 'a', body: 'first' })])
    const key = 'garbage:{c}'
    const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`
    const wide = Array.from({ length: 2_000 }, (_, n): [string, string] => [`ce_x${n}`, 'v'])
    const good = { ce_id: 'p', ce_type: 't', ce_source: 'cli' }
    const hostile: Record<string, string>[] = [
      { '': '' },
      { data: 'without attributes' },
      { ...good, ce_type: '' },
      { ...good, ce_id: '' },
      { ...good, ce_time: 'yesterday' },
      { ...good, ce_attempt: '-1e999' },
      { ...good, size: '-5', data: 'x' },
      { ...good, size: '1e300', data: 'x' },
      { ce_id: 'p', size: '7', data: 'x' },
      { ...good, ce___proto__: 'x', 'h:__proto__': 'x', data: '{"__proto__":{"a":1}}' },
      { event: '{' },
      { event: 'null' },
      { event: deep },
      { event: JSON.stringify({ specversion: '9', id: 7, type: null, source: [] }) },
      Object.fromEntries(wide),
      { ...good, [`h:${'n'.repeat(70_000)}`]: 'v', data: 'x' },
      { ...good, ce_partitionkey: '\u0000\r\n$5\r\n', data: '\r\n*1\r\n' },
    ]
    for (const fields of hostile) await plain.xAdd(key, '*', fields)
    await plain.sendCommand([
      'XADD',
      key,
      '*',
      'ce_id',
      'bytes',
      'ce_type',
      't',
      'ce_source',
      's',
      'data',
      Buffer.from([0xff, 0xfe, 0x0d, 0x0a]).toString('latin1'),
    ])
    await sender.send([message({ key: 'a', body: 'last' })])
    const probe = await rig.join(await rig.open())
    const got = await probe.drain(hostile.length + 3)
    assert.deepEqual(
      got.filter(({ envelope }) => envelope.partitionkey === 'a').map(({ envelope }) => envelope.body),
      ['first', 'last'],
    )
    const undecodable = got.filter(({ envelope }) => envelope.type === 'undecodable').length
    assert.equal(undecodable, 9)
    for (const { envelope, sizeBytes } of got) {
      const { id, type, source, time, attempt = 0 } = envelope
      assert.ok(id !== '' && type !== '' && source !== '' && !Number.isNaN(Date.parse(time)) && Number.isInteger(attempt), JSON.stringify(envelope))
      assert.ok(Number.isInteger(sizeBytes) && sizeBytes > 0 && sizeBytes < 1e6, `${sizeBytes}`)
    }
    assert.equal(({} as { a?: number }).a, undefined)
    await probe.quiet()
    const [row] = await sender.admin.groups('c')
    assert.deepEqual([row?.backlog, rig.reports.filter(({ level }) => level !== 'info')], [0, []])
  })

  test('a key of the bus that holds something else: refused by name, and what was in the middle heals when it is gone', async () => {
    await plain.set('taken:{c}', 'mine')
    const taken = await rigOn('taken')
    await assert.rejects(taken.channel({ groups: ['g'] }), { code: 'TOPOLOGY_CONFLICT', message: /WRONGTYPE.*prefix/ })

    const rig = await rigOn('type')
    const sender = await rig.channel({ groups: ['g'] })
    const probe = await rig.join(await rig.open())
    await sender.send(numbered(5, ['a']))
    await probe.drain(5)
    await plain.del('type:{c}:g:g:parts')
    await plain.set('type:{c}:g:g:parts', 'not a hash')
    await eventually(() => rig.reports.some(({ error }) => error?.code === 'TOPOLOGY_CONFLICT'), 'a report')
    await plain.del(await plain.keys('type:*'))
    await sendAll(sender, numbered(3, ['a'], 5))
    const got = await probe.drain(3)
    assert.deepEqual(
      got.map(({ envelope }) => envelope.body),
      ['5', '6', '7'],
    )
  })

  test('a server that cannot write its files: sending fails as STORE_FULL, nothing is lost, and all goes on when it can', async () => {
    const rig = await rigOn('disk')
    const sender = await rig.channel({ groups: ['g'] })
    const probe = await rig.join(await rig.open())
    await sender.send(numbered(10, ['a', 'b']))
    const taken = await probe.take(10)
    const { dir = '' } = await plain.configGet('dir')
    // A folder where its snapshot should be: it cannot be replaced.
    const inTheWay = join(dir, 'dump.rdb')
    rmSync(inTheWay, { force: true })
    mkdirSync(inTheWay)
    writeFileSync(join(inTheWay, 'x'), '')
    await plain.configSet('save', '900 1')
    const saved = async (status: string): Promise<boolean> => {
      await plain.sendCommand(['BGSAVE']).catch(() => undefined)
      return (await plain.info('persistence')).includes(`rdb_last_bgsave_status:${status}`)
    }
    await eventually(() => saved('err'), 'a snapshot to fail')
    const { failures } = await sender.send(numbered(1, ['a'], 10))
    assert.deepEqual(
      failures.map(({ error, state, retryable }) => [error.code, state, retryable]),
      [['STORE_FULL', 'failed', true]],
    )
    probe.consumer.accept(taken)
    const flushed = probe.consumer.flush()
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    rmSync(inTheWay, { recursive: true })
    await eventually(() => saved('ok'), 'a snapshot')
    await plain.configSet('save', '')
    await flushed
    await sendAll(sender, numbered(4, ['a'], 10))
    // What could not be settled within the lease may come again, never less.
    const again = probe.settlementsLost.length
    const got = await probe.drain(again + 4)
    assert.deepEqual(
      got.filter(({ envelope }) => Number(envelope.body) >= 10).map(({ envelope }) => envelope.body),
      ['10', '11', '12', '13'],
    )
    assert.equal((await sender.admin.groups('c'))[0]?.backlog, 0)
  })

  test('a server that takes no more connections: it is said, and who is connected goes on', async () => {
    const rig = await rigOn('crowded')
    const sender = await rig.channel({ groups: ['g'] })
    const probe = await rig.join(sender)
    const connected = Number(/connected_clients:(\d+)/.exec(await plain.info('clients'))?.[1])
    await plain.configSet('maxclients', String(connected))
    try {
      await assert.rejects(rig.open(), { code: 'TRANSPORT_FAILED', message: /max number of clients|cannot connect/ })
      await sender.send(numbered(3, ['a']))
      assert.equal((await probe.drain(3)).length, 3)
    } finally {
      await plain.configSet('maxclients', '10000')
    }
    await rig.open()
  })
})
