import { type ConsumeMessage, connect } from 'amqplib'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { orderIn, Tally } from '../order.ts'
import { bindingKey, queueCount } from './queues.ts'

const [url = '', exchange = '', countText = '0', mode = 'batches'] = process.argv.slice(2)
const tally = new Tally(Number(countText))
const micros: number[] = []
const connection = await connect(url, { noDelay: true })
const channel = await connection.createChannel()
await channel.assertExchange(exchange, 'topic', { durable: true })
await channel.prefetch(1000)
let last: Parameters<typeof channel.ack>[0] | undefined
// Everything that one read of the socket brought is accepted at once.
const settle = (): void => {
  if (last !== undefined) channel.ack(last, true)
  last = undefined
}
const take = (message: ConsumeMessage | null): void => {
  if (message === null) throw new Error('the consumer was cancelled')
  if (mode === 'paced') micros.push((nowNs() - Number(message.properties.headers?.['sent-ns'])) / 1000)
  tally.handle(orderIn({ data: JSON.parse(message.content.toString()) }), nowNs)
  if (last === undefined) setImmediate(settle)
  last = message
}
for (let n = 0; n < queueCount; n++) {
  const queue = `${exchange}.group.${n}`
  await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
  await channel.bindQueue(queue, exchange, bindingKey(n))
  await channel.consume(queue, take)
}
await readyAndGo()
const startNs = await tally.done()
settle()
// The channel's close is answered after everything before it was read.
await channel.close()
const endNs = nowNs()
await connection.close()
report({ startNs, endNs, micros })
