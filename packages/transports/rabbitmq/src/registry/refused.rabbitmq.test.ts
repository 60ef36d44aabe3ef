import assert from 'node:assert/strict'
import { test } from 'node:test'
import { manage, membership, trial, until, watcher } from '../trial.fixture.ts'

test('a member to whom the server refuses the registry after a reconnect reads it again when it may', async () => {
  const place = await trial()
  const permit = (read: string): Promise<unknown> => manage('PUT', `permissions/${place.vhost}/guest`, { configure: '.*', write: '.*', read })
  try {
    const [a, b] = [await place.open(), await place.open()]
    const heard = watcher()
    await a.declare({ channels: [{ name: 'c', kind: 'events', partitions: 2 }], groups: [membership] })
    await a.consume(membership, heard)
    await until('both partitions', () => heard.owned.size === 2)
    // As a server that has just begun: connections are taken, its stream is not there yet.
    await permit('^(?!sluice/registry$).*$')
    let connections: readonly { readonly name: string }[] = []
    await until('the connections to be known', async () => {
      connections = (await manage('GET', `vhosts/${place.vhost}/connections`)) as typeof connections
      return connections.length === 4
    })
    for (const { name } of connections) await manage('DELETE', `connections/${encodeURIComponent(name)}`)
    await until('a refusal', () => place.reports.some(({ message }) => message.includes('cannot be used yet')))
    await permit('.*')
    await until('what one declares is known to the other', async () => {
      // Its own connection may come back after the other's.
      const isDeclared = await b.declare({ channels: [{ name: 'd', kind: 'events', partitions: 1 }], groups: [] }).then(
        () => true,
        () => false,
      )
      return isDeclared && (await a.admin.channels()).some(({ channel }) => channel === 'd')
    })
    await until('both partitions again', () => heard.owned.size === 2)
    assert.ok(heard.lostCount >= 2)
  } finally {
    await permit('.*')
    await place.dispose()
  }
})
