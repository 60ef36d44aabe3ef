export { assignPartitions, mayOwnByTypes, type PartitionMember, partitionName } from './assignment.ts'
export { keyHash, partitionIndex } from './hash.ts'
export { type LeasedPartition, PartitionsInHand } from './in-hand.ts'
export { type GroupOrder, placementKey } from './lane.ts'
