/** What transports, and only they, import from the core: `@sluice/core/transport`. */
export { type Clock, ManualClock, newId, type Random, seededRandom, systemClock, type Timer } from '../clock/index.ts'
export { type ErrorCode, isSluiceError, SluiceError, type SluiceErrorOptions, toError } from '../errors/index.ts'
export {
  attributesFromJson,
  attributesToJson,
  type BinaryMessage,
  type BinaryPrefix,
  checkBatchSize,
  checkSize,
  type Envelope,
  fromBinary,
  fromStructured,
  type ReadOptions,
  type ReceivedMessage,
  sizeOf,
  structuredContentType,
  toBinary,
  toStructured,
} from '../message/index.ts'
export type { TransportFacts } from './facts.ts'
export { GivenOptions, type OptionNames } from './given-options.ts'
export { type HeldDelivery, mustHold, settleHeld } from './held-deliveries.ts'
export {
  type Attempts,
  attemptFields,
  attemptsOf,
  describeLane,
  emptyLane,
  isQueried,
  LotLanes,
  type QueriedLetter,
  queried,
  type WaitingLane,
} from './lot/index.ts'
export type { BackupReport, CheckReport, CompactReport, FileUser, Finding, TransportMaintenance } from './maintenance.ts'
export { MemoryTransport, memoryTransport } from './memory/index.ts'
export { noConnection } from './no-connection.ts'
export {
  assignPartitions,
  type GroupOrder,
  keyHash,
  type LeasedPartition,
  mayOwnByTypes,
  type PartitionMember,
  PartitionsInHand,
  partitionIndex,
  partitionName,
  placementKey,
} from './partition/index.ts'
export { ReceiveWindow } from './receive-window.ts'
export { groupInUse, leaseLost, noTransactions, unknownChannel, unknownGroup } from './refusals.ts'
export {
  announceTypes,
  ChangeListeners,
  doneIf,
  type KeptMessage,
  keepMessage,
  type RegisteredChannel,
  type RegisteredFiring,
  type RegisteredGroup,
  type RegisteredSchedule,
  type RegistryOutcome,
  RegistryTables,
  restoreMessage,
  type ScheduleChange,
  ScheduleTable,
  type SharedRecord,
  settleOrder,
} from './registry/index.ts'
export { FailedKeys, SendCall } from './send-call.ts'
export type {
  AttemptRecord,
  ChannelDeclaration,
  ChannelStatus,
  Consumer,
  ConsumerObserver,
  DeadLetter,
  DeadLetterQuery,
  DeadLetterReason,
  DeadLetterRecord,
  Delivery,
  GroupDeclaration,
  GroupStatus,
  LotLane,
  OutgoingMessage,
  ParkingLot,
  Retention,
  ScheduleRecord,
  SendFailure,
  SendOptions,
  SendReport,
  Subscription,
  Topology,
  Transport,
  TransportAdmin,
  TransportContext,
  TransportFactory,
  TransportReport,
} from './transport.ts'
export { firstDelivery, UnsettledConsumer } from './unsettled-consumer.ts'
