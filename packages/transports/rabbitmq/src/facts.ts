import type { TransportFacts } from '@sluice/core/transport'
import type { RabbitOptions } from './options.ts'
import { messageBytesMax } from './wire.ts'

/** The server gives a delivery back after this, as it comes (`consumer_timeout`); we stay well below, ms. */
const handlingMsMax = 25 * 60_000

/** What RabbitMQ gives with these options. */
export function rabbitFacts(serverVersion: string, options: RabbitOptions): TransportFacts {
  return {
    name: 'rabbitmq',
    serverVersion: `RabbitMQ ${serverVersion}`,
    // A quorum queue confirms when a majority has it on disk; a classic one when its node has.
    confirm: 'synced',
    settlement: 'connection',
    settlementConfirmed: false,
    handlingMsMax,
    takeOverMs: Math.ceil(options.heartbeatS * 2_500),
    keyOrder: 'partition',
    partitions: 'growing',
    publishOrder: 'sequence',
    parkingLot: 'durable',
    attempts: 'floor',
    delayedSend: { delayMsMax: Number.MAX_SAFE_INTEGER, keyed: true },
    schedules: true,
    fanOut: 'transport',
    broadcast: true,
    lateGroup: 'end',
    replay: false,
    filter: 'client',
    deduplicationMsMax: 0,
    backlog: 'approximate',
    presence: true,
    priority: false,
    groupConcurrency: false,
    transaction: 'none',
    messageBytesMax,
    notes: [
      'Accepting is not confirmed by RabbitMQ: what was accepted right before a connection broke may come again.',
      'Delayed messages wait in one queue a channel, at most some 50,000 of them; one of the processes that are connected moves what is due.',
      'Accepted messages are gone: no replay, and a late group gets what is new.',
      ...(options.queues === 'classic' ? ['Classic queues live on one node: while it is down their messages are out of reach.'] : []),
    ],
  }
}
