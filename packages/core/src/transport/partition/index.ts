export { assignPartitions, mayOwnByTypes, ownersByHash, type PartitionMember, partitionName } from './assignment.ts'
export { keyHash, partitionIndex } from './hash.ts'
export { type GroupOrder, placementKey } from './lane.ts'
