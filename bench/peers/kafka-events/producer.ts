/** The raw client's side on Kafka: the same CloudEvents headers that Sluice writes, validated, idempotent, acks=all. */
import { ProduceAcks, Producer, stringSerializers } from '@platformatic/kafka'
import { atRate } from '../../pace.ts'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { attributesOf, inBatches } from '../order.ts'

const [url = '', topic = '', countText = '0', mode = 'batches', batch = '500', outstanding = '16'] = process.argv.slice(2)
const count = Number(countText)
const producer = new Producer({
  clientId: 'bench',
  bootstrapBrokers: new URL(url).host.split(','),
  serializers: stringSerializers,
  acks: ProduceAcks.ALL,
  idempotent: true,
})
await producer.metadata({ topics: [topic] })

function messageOf(n: number, more: Readonly<Record<string, string>> = {}): { topic: string; key: string; value: string; headers: Record<string, string> } {
  const { id, type, source, time, partitionkey, body } = attributesOf(n)
  return {
    topic,
    key: partitionkey,
    value: body,
    headers: {
      'content-type': 'application/json',
      ...{ ce_specversion: '1.0', ce_id: id, ce_type: type, ce_source: source, ce_time: time, ce_partitionkey: partitionkey, size: String(body.length) },
      ...more,
    },
  }
}

await readyAndGo()
const startNs = nowNs()
if (mode === 'batches')
  await inBatches(count, Number(batch), Number(outstanding), (first, size) =>
    producer.send({ messages: Array.from({ length: size }, (_, n) => messageOf(first + n)) }),
  )
else {
  // What is due while a send is under way goes with the next one: with a request for each, or for each turn of the loop, this client falls seconds behind.
  const due: ReturnType<typeof messageOf>[] = []
  let sending: Promise<unknown> | undefined
  const send = async (): Promise<void> => {
    while (due.length > 0) await producer.send({ messages: due.splice(0) })
    sending = undefined
  }
  await atRate(2000, count, (n) => {
    due.push(messageOf(n, { 'sent-ns': String(nowNs()) }))
    sending ??= Promise.resolve().then(send)
  })
  await sending
}
const endNs = nowNs()
await producer.close()
report({ startNs, endNs })
