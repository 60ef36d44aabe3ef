/**
 * The requests of Kafka's protocol that this transport sends, each in one version: the newest without tagged fields where
 * there is one, so that brokers from 2.5 to 4.x understand it. What an error code in an answer means is its caller's.
 */
import type { Reader } from '../reader.ts'
import type { Writer } from '../writer.ts'

/** One kind of request. */
export interface Api<Ask, Answer> {
  readonly name: string
  readonly key: number
  readonly version: number
  /** Headers and bodies with tagged fields. */
  readonly flexible?: boolean
  write(to: Writer, ask: Ask): void
  read(from: Reader): Answer
}

/** Values of some partitions of some topics. */
export type ByTopic<T> = ReadonlyMap<string, readonly T[]>

/** What an answer says of one partition; 0: no error. */
export interface PartitionError {
  readonly partition: number
  readonly error: number
}

/** Where a broker is. */
export interface BrokerAddress {
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** Topics with their partitions' values. */
export function topics<T>(to: Writer, by: ByTopic<T>, write: (item: T) => void): void {
  to.array([...by], ([name, items]) => to.string(name).array(items, write))
}

/** The answer to {@link topics}. */
export function readTopics<T>(from: Reader, read: () => T): Map<string, T[]> {
  return new Map(from.array(() => [from.string(), from.array(read)] as const))
}

/** A partition and its error. */
export function readError(from: Reader): PartitionError {
  return { partition: from.int32(), error: from.int16() }
}
