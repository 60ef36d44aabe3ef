import { transport } from '@sluice/kafka'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { eventually } from '../src/probe/probe.ts'
import { type PlainMessage, place, testPlainClients } from './plain-clients.fixture.ts'

testPlainClients({
  name: 'kafkajs',
  transport,
  url: (run) => `${process.env.SLUICE_TEST_KAFKA_URL}?prefix=plain-${run}.`,
  async plain(_url, run) {
    const { host } = new URL(process.env.SLUICE_TEST_KAFKA_URL ?? '')
    const kafka = new Kafka({ clientId: 'till', brokers: [host], logLevel: logLevel.NOTHING })
    const topic = `plain-${run}.${place.channel}`
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner })
    await producer.connect()
    const consumer = kafka.consumer({ groupId: `till-${run}` })
    await consumer.connect()
    await consumer.subscribe({ topic, fromBeginning: true })
    const read: PlainMessage[] = []
    await consumer.run({
      eachMessage: async ({ message: { key, value, headers = {} } }) => {
        const texts = Object.entries(headers).map(([name, header]) => [name, String(header)] as const)
        read.push({ key: String(key), headers: Object.fromEntries(texts), body: String(value) })
      },
    })
    return {
      async write({ key, headers, body }) {
        await producer.send({ topic, messages: [{ key, value: body, headers: { ...headers } }] })
      },
      read: (count) =>
        eventually(
          async () => read,
          (list) => list.length >= count,
          `${count} messages at the plain client`,
        ),
      async close() {
        await consumer.disconnect()
        await producer.disconnect()
      },
    }
  },
})
