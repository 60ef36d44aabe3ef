import type { TransportFacts } from '@sluice/core/transport'
import { laterBytesMax, laterCountMax, laterPartitions } from './later/bounds.ts'
import type { KafkaOptions } from './options.ts'

/** What the brokers say about themselves. */
export interface BrokerSettings {
  readonly version: string
  readonly minInsyncReplicas: number | undefined
  readonly replication: number | undefined
  readonly messageBytesMax: number | undefined
  readonly offsetsKeptMinutes: number | undefined
}

/** A batch and the names of a message's headers take so much of the broker's bound, bytes. */
const overheadBytes = 16 * 1024
const messageBytesDefault = 1_048_588

/** What Kafka gives with these settings. */
export function kafkaFacts(settings: BrokerSettings, options: KafkaOptions): TransportFacts {
  const { minInsyncReplicas, offsetsKeptMinutes, messageBytesMax = messageBytesDefault } = settings
  const isReplicated = (minInsyncReplicas ?? 1) >= 2
  return {
    name: 'kafka',
    serverVersion: settings.version,
    // The broker answers before its own disk has synced: what counts is who else has it.
    confirm: isReplicated ? 'replicated' : 'process',
    settlement: 'watermark',
    settlementConfirmed: true,
    handlingMsMax: Number.POSITIVE_INFINITY,
    takeOverMs: options.sessionMs + 1_500,
    keyOrder: 'partition',
    partitions: 'fixed',
    publishOrder: 'kept',
    parkingLot: 'durable',
    attempts: 'exact',
    delayedSend: { delayMsMax: Number.MAX_SAFE_INTEGER, keyed: true },
    schedules: true,
    fanOut: 'transport',
    broadcast: true,
    lateGroup: 'start',
    replay: true,
    filter: 'client',
    deduplicationMsMax: 0,
    backlog: 'exact',
    presence: true,
    priority: false,
    groupConcurrency: false,
    transaction: 'none',
    messageBytesMax: Math.max(1_024, messageBytesMax - overheadBytes),
    notes: [
      ...(minInsyncReplicas === undefined
        ? ['The brokers do not tell their min.insync.replicas to this user: what a confirm survives is not known.']
        : isReplicated
          ? []
          : [
              `min.insync.replicas is ${minInsyncReplicas}: a confirmed message may be in the memory of one broker only. Set it to 2, with a replication factor of 3.`,
            ]),
      ...(offsetsKeptMinutes === undefined
        ? []
        : [
            `A group that nobody consumes for ${Math.round(offsetsKeptMinutes / 1_440)} days (offsets.retention.minutes) begins anew: it gets again what is still kept.`,
          ]),
      'The number of partitions of a channel is settled when its topic is made; only a channel of one partition can be ordered as a whole.',
      `Delayed messages are held by one process a channel: ${laterCountMax} of them, or ${laterBytesMax / 1024 / 1024} MiB, may wait in each of ${laterPartitions} partitions that the channels share; then more are refused.`,
      'How many messages are in flight is known for this process only.',
    ],
  }
}
