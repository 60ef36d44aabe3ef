/** The raw client's side on RabbitMQ: the same CloudEvents headers that Sluice writes, validated, persistent, mandatory, confirmed. */
import { connect } from 'amqplib'
import { atRate } from '../../pace.ts'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { attributesOf, inBatches } from '../order.ts'
import { routingKey } from './queues.ts'

const [url = '', exchange = '', countText = '0', mode = 'batches', batch = '500', outstanding = '8'] = process.argv.slice(2)
const count = Number(countText)
// Beside the attributes stands what Sluice's own header says, as long.
const instance = '00000000-0000-7000-8000-000000000000'
const connection = await connect(url, { noDelay: true })
const channel = await connection.createConfirmChannel()
channel.on('return', (message) => {
  throw new Error(`returned: ${message.fields.routingKey}`)
})

function publish(n: number, headers: Readonly<Record<string, string | number>>, done: (error: unknown) => void): void {
  const { id, type, source, time, partitionkey, body } = attributesOf(n)
  channel.publish(
    exchange,
    routingKey(type, partitionkey, n),
    Buffer.from(body),
    {
      contentType: 'application/json',
      messageId: id,
      persistent: true,
      mandatory: true,
      headers: {
        ce_specversion: '1.0',
        ce_id: id,
        ce_type: type,
        ce_source: source,
        ce_time: time,
        ce_partitionkey: partitionkey,
        about: `${Date.now()};${body.length};t;0;${n % 100};${instance}/${n % 4000}`,
        ...headers,
      },
    },
    done,
  )
}

await readyAndGo()
const startNs = nowNs()
if (mode === 'batches')
  await inBatches(
    count,
    Number(batch),
    Number(outstanding),
    (first, size) =>
      new Promise<void>((resolve, reject) => {
        let left = size
        const done = (error: unknown): void => {
          if (error !== null && error !== undefined) reject(error)
          else if (--left === 0) resolve()
        }
        for (let n = first; n < first + size; n++) publish(n, {}, done)
      }),
  )
else
  await atRate(2000, count, (n) =>
    publish(n, { 'sent-ns': String(nowNs()) }, (error) => {
      if (error !== null && error !== undefined) throw error
    }),
  ).then(() => channel.waitForConfirms())
const endNs = nowNs()
await connection.close()
report({ startNs, endNs })
