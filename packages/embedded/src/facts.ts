import type { TransportFacts } from '@sluice/core/transport'
import { messageBytesMax } from './send/store-outgoing.ts'

/** What the embedded engine states about itself. */
export function embeddedFacts(sqliteVersion: string, leaseMs: number): TransportFacts {
  return {
    name: 'embedded',
    serverVersion: `SQLite ${sqliteVersion}`,
    confirm: 'synced',
    settlement: 'lease',
    settlementConfirmed: true,
    handlingMsMax: Number.POSITIVE_INFINITY,
    takeOverMs: leaseMs,
    keyOrder: 'key',
    partitions: 'growing',
    publishOrder: 'kept',
    parkingLot: 'durable',
    attempts: 'floor',
    delayedSend: { delayMsMax: Number.POSITIVE_INFINITY, keyed: true },
    schedules: true,
    fanOut: 'transport',
    broadcast: true,
    lateGroup: 'start',
    replay: true,
    filter: 'client',
    deduplicationMsMax: Number.POSITIVE_INFINITY,
    backlog: 'exact',
    presence: true,
    priority: false,
    groupConcurrency: true,
    transaction: 'sqlite',
    messageBytesMax,
    notes: [
      'One machine: all services open the same file on a local disk.',
      'A process that dies hands its messages on at once; one that is frozen, or whose event loop is blocked, after the lease.',
    ],
  }
}
