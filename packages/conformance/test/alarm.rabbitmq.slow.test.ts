import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, SluiceError } from '@sluice/core'
import { transport } from '@sluice/rabbitmq'
import { ownServer } from './own-server.ts'

test('who starts while the server is under an alarm is told so by its name, with what to do', { timeout: 120_000 }, async () => {
  const server = await ownServer('rabbitmq-full')
  try {
    await assert.rejects(connect({ service: 'inventory', url: server.url, transports: [transport], logger: false }), (error) => {
      assert.ok(error instanceof SluiceError)
      assert.equal(error.code, 'BACKPRESSURE')
      assert.match(error.message, /takes no messages: low on disk/)
      assert.match(error.fix ?? '', /disk_free_limit/)
      return true
    })
  } finally {
    await server.down()
  }
})
