import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId, SluiceError, type Topology } from '@sluice/core/transport'
import { connect } from 'amqplib'
import { manage, membership, trial, watcher } from '../trial.fixture.ts'
import { tooOld } from './errors.ts'

/** Whether the promise rejects with this code, and says no secret. */
async function refuses(promise: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof SluiceError)
    assert.equal(error.code, code, error.message)
    assert.ok(!`${error.stack} ${JSON.stringify(error)}`.includes('CANARY'))
    return true
  })
}

test('a wrong password, an unknown virtual host and a missing permission are told apart', async () => {
  const place = await trial()
  const user = `u-${newId()}`
  await manage('PUT', `users/${user}`, { password: 'CANARY', tags: '' })
  try {
    const as = (credentials: string, url = place.url): string => url.replace('guest:guest', credentials)
    await refuses(place.open({}, as('guest:CANARY')), 'TRANSPORT_UNAUTHENTICATED')
    await refuses(place.open({}, as(`nobody:CANARY`)), 'TRANSPORT_UNAUTHENTICATED')
    await refuses(place.open({}, place.url.replace(place.vhost, 'nobodys')), 'TRANSPORT_FORBIDDEN')
    await refuses(place.open({}, as(`${user}:CANARY`)), 'TRANSPORT_FORBIDDEN')
    // It may come in, and see nothing.
    await manage('PUT', `permissions/${place.vhost}/${user}`, { configure: '^$', write: '^$', read: '^$' })
    await refuses(place.open({}, as(`${user}:CANARY`)), 'TRANSPORT_FORBIDDEN')
    // All but making queues of a channel.
    await manage('PUT', `permissions/${place.vhost}/${user}`, { configure: '^sluice/(registry|member)', write: '.*', read: '.*' })
    const narrow = await place.open({}, as(`${user}:CANARY`))
    await refuses(narrow.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [] }), 'TRANSPORT_FORBIDDEN')
  } finally {
    await place.dispose()
    await manage('DELETE', `users/${user}`)
  }
})

test('what is there with other arguments is refused by the name of the argument, with both values and what to do, and stays as it is', async () => {
  const place = await trial()
  const events = (name: string): Topology => ({ channels: [{ name, kind: 'events', partitions: 2 }], groups: [] })
  const differs = async (promise: Promise<unknown>, says: RegExp): Promise<void> => {
    await assert.rejects(promise, (error) => {
      assert.ok(error instanceof SluiceError)
      assert.deepEqual([error.code, says.test(`${error.message} ${error.fix}`)], ['TOPOLOGY_CONFLICT', true], `${error.message} ${error.fix}`)
      return true
    })
  }
  try {
    const member = await place.open()
    const stranger = await connect(place.url.replace('?heartbeat=2', ''))
    const channel = await stranger.createConfirmChannel()
    // A stranger's queue, exchange and bound have the names of ours.
    const ours = { 'x-single-active-consumer': true, 'x-max-length': 100_000, 'x-max-length-bytes': 268_435_456, 'x-overflow': 'drop-head' }
    await channel.assertQueue('sluice/d/unrouted', { durable: true, arguments: { ...ours, 'x-queue-type': 'classic' } })
    channel.publish('', 'sluice/d/unrouted', Buffer.from('his'))
    await channel.waitForConfirms()
    await differs(member.declare(events('d')), /queue "sluice\/d\/unrouted" has x-queue-type classic, and quorum is wanted.*queues: 'classic'/)
    await channel.assertExchange('sluice/e', 'direct', { durable: true })
    await differs(member.declare(events('e')), /exchange "sluice\/e" has type direct, and topic is wanted/)
    await channel.assertQueue('sluice/f/unrouted', { durable: true, arguments: { ...ours, 'x-queue-type': 'quorum', 'x-max-length': 5 } })
    await differs(member.declare(events('f')), /queue "sluice\/f\/unrouted" has x-max-length 5, and 100000 is wanted/)
    assert.equal((await channel.checkQueue('sluice/d/unrouted')).messageCount, 1)
    await stranger.close()
    // Made by a member with the one option, met by a member with the other.
    await member.declare({ channels: [{ name: 'c', kind: 'events', partitions: 2 }], groups: [{ ...membership }] })
    const other = await place.open({ queues: 'classic' })
    await differs(other.declare(events('c')), /has x-queue-type quorum, and classic is wanted.*queues: 'quorum'/)
    await differs(other.consume(membership, watcher()), /x-queue-type quorum/)
  } finally {
    await place.dispose()
  }
})

test('a server that is too old is refused by its version', () => {
  assert.deepEqual(
    ['3.8.2', '3.9.29', '3.10.0', '3.13.7', '4.1.0', 'unknown'].map((version) => tooOld(version, 'h')?.code),
    ['SERVER_TOO_OLD', 'SERVER_TOO_OLD', undefined, undefined, undefined, undefined],
  )
})
