/** Where delayed messages wait, and how many. */
import { partitionOf } from '../send/partitioner.ts'

/** Of the topic of delayed messages. */
export const laterPartitions = 4
/** Beyond this nothing more is taken into a partition: messages, and bytes of them. */
export const laterCountMax = 50_000
export const laterBytesMax: number = 64 * 1024 * 1024

/** A channel's delayed messages are in one partition, for they are stored in the order in which they are due. */
export function laterPartitionOf(channel: string): number {
  return partitionOf(Buffer.from(channel), laterPartitions)
}
