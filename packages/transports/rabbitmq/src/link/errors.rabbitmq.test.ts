import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId, SluiceError } from '@sluice/core/transport'
import { connect } from 'amqplib'
import { manage, trial } from '../trial.fixture.ts'
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

test('a wrong password, an unknown virtual host, a missing permission and another topology are told apart', async () => {
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
    // Somebody else's queue has the name of ours.
    const stranger = await connect(place.url.replace('?heartbeat=2', ''))
    const channel = await stranger.createChannel()
    await channel.assertQueue('sluice/d/unrouted', { durable: true, arguments: { 'x-queue-type': 'classic' } })
    await stranger.close()
    const member = await place.open()
    await refuses(member.declare({ channels: [{ name: 'd', kind: 'events' }], groups: [] }), 'TOPOLOGY_CONFLICT')
  } finally {
    await place.dispose()
    await manage('DELETE', `users/${user}`)
  }
})

test('a server that is too old is refused by its version', () => {
  assert.deepEqual(
    ['3.8.2', '3.9.29', '3.10.0', '3.13.7', '4.1.0', 'unknown'].map((version) => tooOld(version, 'h')?.code),
    ['SERVER_TOO_OLD', 'SERVER_TOO_OLD', undefined, undefined, undefined, undefined],
  )
})
