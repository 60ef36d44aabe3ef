/** Storing messages under numbers that were told to others before: whoever stores them again stores nothing. */
import { check, codes, KafkaError } from '../errors.ts'
import type { KafkaBus } from '../kafka-bus.ts'
import type { Cluster } from '../link/cluster.ts'
import type { NotedMessage } from '../note-record.ts'
import { writeBatch } from '../protocol/records.ts'
import { produce } from '../protocol/requests/records.ts'
import { initProducer, type ProducerId } from '../protocol/requests/transactions.ts'
import { toRecord } from '../wire.ts'
import { partitionOf } from './partitioner.ts'

/** How long it is tried at once, ms. */
const patienceMs = 15_000
const replicasMs = 10_000

/** A producer of the caller's own, asked for once. */
export async function askProducer(cluster: Cluster): Promise<ProducerId> {
  const { error, id, epoch } = await cluster.any(initProducer, { transactionalId: null, timeoutMs: replicasMs })
  check(error, 'a producer id')
  return { id, epoch }
}

/** A producer of the caller's own. */
export function newProducer({ cluster }: Pick<KafkaBus, 'cluster'>): Promise<ProducerId> {
  return cluster.persist(patienceMs, () => askProducer(cluster))
}

/** Where a message belongs, whoever stores it: by its key, or by its id. */
export function placeOf({ envelope }: NotedMessage, partitions: number): number {
  return partitionOf(Buffer.from(envelope.partitionkey ?? envelope.id), partitions)
}

/** Stores messages of one partition of a channel, in one batch. Rejects with what the brokers said last. */
export async function storeNumbered(
  bus: KafkaBus,
  { channel, partition }: { readonly channel: string; readonly partition: number },
  messages: readonly NotedMessage[],
  { producer, sequence }: { readonly producer: ProducerId; readonly sequence: number },
  isVain?: () => boolean,
): Promise<void> {
  const { cluster, names, context, options } = bus
  const records = messages.map(({ envelope, sizeBytes }) => toRecord(envelope, sizeBytes))
  const batch = writeBatch(records, context.clock.nowMs(), { ...producer, sequence, transactional: false }, options.compression)
  const asked = new Map([[names.channel(channel), [{ partition, batch }]]])
  try {
    await cluster.persist(patienceMs, () => cluster.atLeaders(asked, produce, (batches) => ({ transactionalId: null, timeoutMs: replicasMs, batches })), isVain)
  } catch (error) {
    if (error instanceof KafkaError && error.code === codes.duplicateSequence) return
    throw error
  }
}
