/**
 * A transaction that no coordinator knows any more, and that its partition keeps open for ever: nobody reads what comes behind it. A
 * broker that is killed between deciding a transaction and marking it can leave one when it starts again (docs/internals/transports/kafka.md).
 */
import { SluiceError } from '@sluice/core/transport'
import { KafkaError, toSluice } from '../errors.ts'
import { type KafkaBus, report } from '../kafka-bus.ts'
import { apiVersions } from '../protocol/requests/cluster.ts'
import { commitMarker, describeProducers } from '../protocol/requests/markers.ts'

/**
 * Ends those in a partition that a lot's reader has waited behind for `stuckMs`, which is longer than a coordinator lets one be open.
 * As committed: what it noted is then there, perhaps twice, and nothing is lost. Resolves to whether there was one; never rejects.
 */
export async function endHanging(bus: KafkaBus, topic: string, partition: number, stuckMs: number): Promise<boolean> {
  const { cluster, context } = bus
  const where = `partition ${partition} of ${topic}`
  try {
    const [leader = -1] = [(await cluster.leaders(topic))[partition]]
    const node = await cluster.node(leader)
    const { versions } = await node.call(apiVersions, undefined)
    for (const { key, version } of [describeProducers, commitMarker]) if ((versions.get(key) ?? -1) < version) return false
    const { error, producers } = await node.call(describeProducers, { topic, partition })
    if (error !== 0) throw new KafkaError(error, where)
    const hanging = producers.filter(({ openFrom, lastMs }) => openFrom >= 0 && context.clock.nowMs() - lastMs > stuckMs)
    for (const producer of hanging) {
      const ended = await node.call(commitMarker, { topic, partition, producer })
      if (ended.error === 0) {
        report(bus, 'warn', `${where} had a transaction that no broker would end any more: it was ended`)
        continue
      }
      const command = `kafka-transactions.sh abort --topic ${topic} --partition ${partition} --start-offset ${producer.openFrom}`
      const cause = new KafkaError(ended.error, 'WriteTxnMarkers')
      const failure = new SluiceError('TRANSPORT_FAILED', `${where} cannot be read: a transaction in it is open that no broker ends`, {
        cause,
        fix: `Give the user ClusterAction on the cluster, or let an administrator run: ${command}`,
      })
      report(bus, 'error', `${where} stands still`, failure)
    }
    return hanging.length > 0
  } catch (error) {
    if (!cluster.isClosed) report(bus, 'warn', `${where} stands still, and its producers cannot be asked`, toSluice(error, 'asking for producers'))
    return false
  }
}
