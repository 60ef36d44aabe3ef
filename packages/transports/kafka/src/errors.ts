/** What Kafka's numbers mean here, and the errors of this transport. */
import { type ErrorCode, isSluiceError, noConnection, SluiceError } from '@sluice/core/transport'

/** An error code in an answer. */
export class KafkaError extends Error {
  readonly code: number

  constructor(code: number, where: string) {
    super(`${where}: ${kafkaCodes.get(code)?.[0] ?? `error ${code}`}`)
    this.name = 'KafkaError'
    this.code = code
  }
}

/** The connection ended, or the answer did not come in time. What was asked may have been done. */
export class ConnectionEnded extends Error {
  constructor(why: string, cause?: unknown) {
    super(why, { cause })
    this.name = 'ConnectionEnded'
  }
}

/** Codes that are asked about by name. */
export const codes = {
  offsetOutOfRange: 1,
  unknownTopic: 3,
  tooLarge: 10,
  illegalGeneration: 22,
  unknownMember: 25,
  rebalanceInProgress: 27,
  illegalSaslState: 34,
  topicExists: 36,
  outOfOrderSequence: 45,
  duplicateSequence: 46,
  invalidProducerEpoch: 47,
  invalidTransactionState: 48,
  unknownProducer: 59,
  groupUnknown: 69,
  memberIdRequired: 79,
  producerFenced: 90,
} as const

// `again`: the same can succeed soon without a person. `lead`: somebody else leads or coordinates now; look again, then the same.
type Kind = 'again' | 'lead' | 'never'
const kafkaCodes: ReadonlyMap<number, readonly [name: string, kind: Kind]> = new Map([
  [-1, ['UNKNOWN_SERVER_ERROR', 'again']],
  [1, ['OFFSET_OUT_OF_RANGE', 'never']],
  [2, ['CORRUPT_MESSAGE', 'again']],
  [3, ['UNKNOWN_TOPIC_OR_PARTITION', 'lead']],
  [5, ['LEADER_NOT_AVAILABLE', 'lead']],
  [6, ['NOT_LEADER_OR_FOLLOWER', 'lead']],
  [7, ['REQUEST_TIMED_OUT', 'again']],
  [8, ['BROKER_NOT_AVAILABLE', 'lead']],
  [9, ['REPLICA_NOT_AVAILABLE', 'lead']],
  [10, ['MESSAGE_TOO_LARGE', 'never']],
  [12, ['OFFSET_METADATA_TOO_LARGE', 'never']],
  [13, ['NETWORK_EXCEPTION', 'again']],
  [14, ['COORDINATOR_LOAD_IN_PROGRESS', 'again']],
  [15, ['COORDINATOR_NOT_AVAILABLE', 'lead']],
  [16, ['NOT_COORDINATOR', 'lead']],
  [17, ['INVALID_TOPIC_EXCEPTION', 'never']],
  [18, ['RECORD_LIST_TOO_LARGE', 'never']],
  [19, ['NOT_ENOUGH_REPLICAS', 'again']],
  [20, ['NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'again']],
  [22, ['ILLEGAL_GENERATION', 'never']],
  [23, ['INCONSISTENT_GROUP_PROTOCOL', 'never']],
  [25, ['UNKNOWN_MEMBER_ID', 'never']],
  [26, ['INVALID_SESSION_TIMEOUT', 'never']],
  [27, ['REBALANCE_IN_PROGRESS', 'again']],
  [29, ['TOPIC_AUTHORIZATION_FAILED', 'never']],
  [30, ['GROUP_AUTHORIZATION_FAILED', 'never']],
  [31, ['CLUSTER_AUTHORIZATION_FAILED', 'never']],
  [33, ['UNSUPPORTED_SASL_MECHANISM', 'never']],
  [34, ['ILLEGAL_SASL_STATE', 'never']],
  [35, ['UNSUPPORTED_VERSION', 'never']],
  [36, ['TOPIC_ALREADY_EXISTS', 'never']],
  [37, ['INVALID_PARTITIONS', 'never']],
  // What createTopics says while the brokers have not registered yet.
  [38, ['INVALID_REPLICATION_FACTOR', 'again']],
  [40, ['INVALID_CONFIG', 'never']],
  [41, ['NOT_CONTROLLER', 'lead']],
  [42, ['INVALID_REQUEST', 'never']],
  [44, ['POLICY_VIOLATION', 'never']],
  [45, ['OUT_OF_ORDER_SEQUENCE_NUMBER', 'never']],
  [46, ['DUPLICATE_SEQUENCE_NUMBER', 'never']],
  [47, ['INVALID_PRODUCER_EPOCH', 'never']],
  [48, ['INVALID_TXN_STATE', 'never']],
  [49, ['INVALID_PRODUCER_ID_MAPPING', 'never']],
  [51, ['CONCURRENT_TRANSACTIONS', 'again']],
  [53, ['TRANSACTIONAL_ID_AUTHORIZATION_FAILED', 'never']],
  [56, ['KAFKA_STORAGE_ERROR', 'lead']],
  [58, ['SASL_AUTHENTICATION_FAILED', 'never']],
  [59, ['UNKNOWN_PRODUCER_ID', 'never']],
  [67, ['NOT_ENOUGH_REPLICAS', 'again']],
  [68, ['NON_EMPTY_GROUP', 'never']],
  [69, ['GROUP_ID_NOT_FOUND', 'never']],
  [74, ['FENCED_LEADER_EPOCH', 'lead']],
  [75, ['UNKNOWN_LEADER_EPOCH', 'lead']],
  [79, ['MEMBER_ID_REQUIRED', 'never']],
  [81, ['GROUP_MAX_SIZE_REACHED', 'never']],
  [88, ['UNSTABLE_OFFSET_COMMIT', 'again']],
  [89, ['THROTTLING_QUOTA_EXCEEDED', 'again']],
  [90, ['PRODUCER_FENCED', 'never']],
])

/** Whether the same request can succeed soon. */
export function passes(code: number): boolean {
  return kafkaCodes.get(code)?.[1] !== 'never' && kafkaCodes.has(code)
}

/** Whether somebody else leads or coordinates now. */
export function moved(code: number): boolean {
  return kafkaCodes.get(code)?.[1] === 'lead'
}

/** Whether trying again is sensible after this. */
export function mayRetry(error: unknown): boolean {
  return error instanceof ConnectionEnded || (error instanceof KafkaError && passes(error.code))
}

/** Throws a {@link KafkaError} unless the code is 0. */
export function check(code: number, where: string): void {
  if (code !== 0) throw new KafkaError(code, where)
}

const fixes: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  19: ['TRANSPORT_FAILED', 'Fewer replicas are in sync than min.insync.replicas asks for: look after the brokers'],
  20: ['TRANSPORT_FAILED', 'Fewer replicas are in sync than min.insync.replicas asks for: look after the brokers'],
  10: ['MESSAGE_TOO_LARGE', 'Raise max.message.bytes of the topic, or send a claim check'],
  29: ['TRANSPORT_FORBIDDEN', 'Give the user the rights on topics that docs/internals/transports/kafka.md lists'],
  30: ['TRANSPORT_FORBIDDEN', 'Give the user the rights on groups that docs/internals/transports/kafka.md lists'],
  31: ['TRANSPORT_FORBIDDEN', 'Give the user the rights that docs/internals/transports/kafka.md lists, or make the topics beforehand'],
  33: ['TRANSPORT_UNAUTHENTICATED', 'Choose a mechanism that the broker offers: ?mechanism=SCRAM-SHA-512, or kafka: { mechanism }'],
  34: ['TRANSPORT_UNAUTHENTICATED', 'The listener of this port takes no user: leave the user out of the URL, or name the port of a listener with SASL'],
  35: ['SERVER_TOO_OLD', 'Use Kafka 2.5 or newer'],
  53: ['TRANSPORT_FORBIDDEN', 'Give the user the rights on transactional ids that docs/internals/transports/kafka.md lists'],
  58: ['TRANSPORT_UNAUTHENTICATED', 'Correct user, password and mechanism; the password may stand in a file: ?passwordFile=…, or kafka: { passwordFile }'],
}

/** Whatever went wrong on the way to the brokers, as an error of Sluice. */
export function toSluice(cause: unknown, where: string): SluiceError {
  if (isSluiceError(cause)) return cause
  if (cause instanceof KafkaError) {
    const [code, fix] = fixes[cause.code] ?? ['TRANSPORT_FAILED' as const, undefined]
    return new SluiceError(code, `Kafka refused: ${cause.message}`, { cause, ...(fix === undefined ? {} : { fix }) })
  }
  if (cause instanceof ConnectionEnded) return new SluiceError('TRANSPORT_FAILED', `${where}: ${cause.message}`, { cause })
  return new SluiceError('TRANSPORT_FAILED', `${where} failed`, { cause })
}

const otherListener = 'Is the broker there, does it speak Kafka, and is the listener of this port plain (kafka:) or TLS (kafka+ssl:)?'

/** The error of brokers that cannot be reached. */
export function connectError(cause: unknown, shown: string): SluiceError {
  return cause instanceof KafkaError ? toSluice(cause, '') : noConnection(cause, shown, 'kafka', otherListener)
}

/** The error of a listener that hears only users, where none was given. */
export function userWanted(shown: string): SluiceError {
  return new SluiceError('TRANSPORT_UNAUTHENTICATED', `${shown} asks for a user (SASL), and none was given`, {
    fix: 'Put the user into the URL, and the password into it or into a file: kafka://user@host:9092?passwordFile=…&mechanism=SCRAM-SHA-512',
  })
}

export function closed(): SluiceError {
  return new SluiceError('TRANSPORT_CLOSED', 'the connection to Kafka was closed')
}
