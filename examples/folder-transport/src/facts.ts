import type { TransportFacts } from '@sluice/core/transport'

/** Largest message, bytes. */
export const messageBytesMax: number = 4 * 1024 * 1024

/** Bytes of all channels of a folder, at most: nothing is ever taken out of them. */
export const folderBytesMax: number = 1024 * 1024 * 1024

/** What a folder can do. Everything that is not needed is stated as lacking: no parking lot, no delays, no replay. */
export const facts: TransportFacts = {
  name: 'folder',
  serverVersion: '1',
  confirm: 'synced',
  settlement: 'lease',
  settlementConfirmed: true,
  handlingMsMax: Infinity,
  takeOverMs: 0,
  keyOrder: 'key',
  partitions: 'growing',
  publishOrder: 'kept',
  parkingLot: 'none',
  attempts: 'floor',
  delayedSend: { delayMsMax: 0, keyed: false },
  schedules: false,
  fanOut: 'transport',
  broadcast: true,
  lateGroup: 'start',
  replay: false,
  filter: 'client',
  deduplicationMsMax: 0,
  backlog: 'exact',
  presence: true,
  priority: false,
  groupConcurrency: false,
  transaction: 'none',
  messageBytesMax,
  notes: ['One process at a time has a folder open.', 'A folder only grows, to 1 GiB: remove it when it is full.'],
}
