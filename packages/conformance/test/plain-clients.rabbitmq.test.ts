import { transport } from '@sluice/rabbitmq'
import amqplib from 'amqplib'
import { eventually } from '../src/probe/probe.ts'
import { type PlainMessage, place, testPlainClients } from './plain-clients.fixture.ts'

testPlainClients({
  name: 'amqplib',
  transport,
  url: (run) => `${process.env.SLUICE_TEST_RABBITMQ_URL}/?prefix=plain-${run}`,
  async plain(_url, run) {
    const connection = await amqplib.connect(process.env.SLUICE_TEST_RABBITMQ_URL ?? '')
    const channel = await connection.createConfirmChannel()
    const exchange = `plain-${run}/${place.channel}`
    const { queue } = await channel.assertQueue('', { exclusive: true })
    await channel.bindQueue(queue, exchange, `${place.type.replaceAll('.', '/')}.#`)
    const read: PlainMessage[] = []
    await channel.consume(
      queue,
      (message) => {
        if (message === null) return
        const { contentType = '', headers = {} } = message.properties as { contentType?: string; headers?: Record<string, string> }
        read.push({ key: headers.ce_partitionkey ?? '', headers: { ...headers, 'content-type': contentType }, body: message.content.toString() })
      },
      { noAck: true },
    )
    return {
      async write({ headers: { 'content-type': contentType = '', ...headers }, body }) {
        // Numbers that are the same for the same key; see docs/how-to/speak-with-other-programs.md.
        channel.publish(exchange, `${place.type.replaceAll('.', '/')}.0.0.0`, Buffer.from(body), { persistent: true, mandatory: true, contentType, headers })
        await channel.waitForConfirms()
      },
      read: (count) =>
        eventually(
          async () => read,
          (list) => list.length >= count,
          `${count} messages at the plain client`,
        ),
      close: () => connection.close(),
    }
  },
})
