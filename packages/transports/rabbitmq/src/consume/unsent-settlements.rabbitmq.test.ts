import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newId, systemClock } from '@sluice/core/transport'
import { type ConsumeMessage, connect } from 'amqplib'
import { until } from '../trial.fixture.ts'
import { AckWindow } from './ack-window.ts'

const { SLUICE_TEST_RABBITMQ_URL: server = '' } = process.env

test('what was settled in many pieces outlives its channel: a quorum queue keeps some of it back in the memory of the channel', async () => {
  const connection = await connect(server)
  const queue = `unsent-${newId()}`
  const other = `${queue}-busy`
  const control = await connection.createConfirmChannel()
  try {
    await control.assertQueue(other, { arguments: { 'x-queue-type': 'quorum' } })
    await control.assertQueue(queue, { arguments: { 'x-queue-type': 'quorum', 'x-single-active-consumer': true } })
    for (let round = 1; round <= 20; round++) {
      for (let n = 0; n < 300; n++) control.sendToQueue(queue, Buffer.from('x'), { persistent: true })
      await control.waitForConfirms()
      const channel = await connection.createChannel()
      await channel.prefetch(65_535)
      const acks = new AckWindow(channel, queue, systemClock)
      const tags: number[] = []
      await new Promise<void>((resolve) => {
        void channel.consume(queue, (message: ConsumeMessage | null) => {
          if (tags.push(message?.fields.deliveryTag ?? 0) === 300) resolve()
        })
      })
      // The log is written more slowly than it is asked to be.
      for (let n = 0; n < 50; n++) control.sendToQueue(other, Buffer.alloc(100_000), { persistent: true })
      for (const tag of tags) if (tag % 2 === 0) acks.ack(tag)
      for (const tag of tags) if (tag % 2 === 1) acks.ack(tag)
      // Whoever asks while another flush is under way hears no sooner.
      void acks.flush()
      await acks.flush()
      await channel.close()
      await until('the channel is gone', async () => (await control.checkQueue(queue)).consumerCount === 0)
      assert.equal((await control.checkQueue(queue)).messageCount, 0, `round ${round}`)
    }
  } finally {
    await control.deleteQueue(other)
    await control.deleteQueue(queue)
    await connection.close()
  }
})
