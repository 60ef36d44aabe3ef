import type { Envelope } from '../../message/envelope.ts'
import type { DeadLetterQuery, DeadLetterReason } from '../transport.ts'

/** What a query looks at. */
export interface QueriedLetter {
  readonly deadLetterId: string
  readonly envelope: Pick<Envelope, 'type' | 'partitionkey'>
  readonly reason: Pick<DeadLetterReason, 'fingerprint'>
}

/** Whether a query means this dead letter, apart from its `limit`. */
export function isQueried({ deadLetterId, envelope, reason }: QueriedLetter, query: DeadLetterQuery): boolean {
  const { deadLetterIds, types, keys, fingerprint, after } = query
  return (
    (deadLetterIds === undefined || deadLetterIds.includes(deadLetterId)) &&
    (types === undefined || types.includes(envelope.type)) &&
    (keys === undefined || keys.includes(envelope.partitionkey ?? '')) &&
    (fingerprint === undefined || fingerprint === reason.fingerprint) &&
    (after === undefined || deadLetterId > after)
  )
}

/** Those that a query means, oldest first, no more than its limit. `letterOf`: the dead letter that an item is about. */
export function queried<T>(items: Iterable<T>, letterOf: (item: T) => QueriedLetter, query: DeadLetterQuery): T[] {
  return [...items]
    .filter((item) => isQueried(letterOf(item), query))
    .sort((a, b) => (letterOf(a).deadLetterId < letterOf(b).deadLetterId ? -1 : 1))
    .slice(0, query.limit)
}
