/** What a stored attribute may be: names in the order in which they are written, and the kind of value of each. */
import type { Envelope } from '@sluice/core/transport'

type Kind = 'text' | 'number' | 'tags' | 'headers'

const kinds: Readonly<Record<Exclude<keyof Envelope, 'body'>, Kind>> = {
  id: 'text',
  type: 'text',
  source: 'text',
  time: 'text',
  subject: 'text',
  datacontenttype: 'text',
  datacontentencoding: 'text',
  dataschema: 'text',
  partitionkey: 'text',
  sequence: 'text',
  schemaversion: 'number',
  correlationid: 'text',
  causationid: 'text',
  traceparent: 'text',
  tracestate: 'text',
  expirytime: 'text',
  notbefore: 'text',
  attempt: 'number',
  tags: 'tags',
  replyto: 'text',
  replyfor: 'text',
  producerid: 'text',
  producerepoch: 'number',
  producerseq: 'number',
  headers: 'headers',
}

/** All attributes, and the headers. */
export const attributeNames: readonly (keyof typeof kinds)[] = Object.keys(kinds) as (keyof typeof kinds)[]

/** What nearly every message has; the others are looked for only where {@link hasRareAttributes} says so. */
export const commonAttributes: readonly (keyof typeof kinds)[] = ['id', 'type', 'source', 'time', 'partitionkey', 'schemaversion', 'correlationid']

/** Named one by one: all envelopes of a producer have one shape, and then this costs next to nothing. */
export function hasRareAttributes(e: Envelope): boolean {
  return (
    e.subject !== undefined ||
    e.datacontenttype !== undefined ||
    e.datacontentencoding !== undefined ||
    e.dataschema !== undefined ||
    e.sequence !== undefined ||
    e.causationid !== undefined ||
    e.traceparent !== undefined ||
    e.tracestate !== undefined ||
    e.expirytime !== undefined ||
    e.notbefore !== undefined ||
    e.attempt !== undefined ||
    e.tags !== undefined ||
    e.replyto !== undefined ||
    e.replyfor !== undefined ||
    e.producerid !== undefined ||
    e.producerepoch !== undefined ||
    e.producerseq !== undefined ||
    e.headers !== undefined
  )
}

export function isAttributeName(name: string): name is keyof typeof kinds {
  return Object.hasOwn(kinds, name)
}

/** Whether some of these values cannot be that attribute's. */
export function columnFault(name: string, values: readonly unknown[]): boolean {
  const kind = isAttributeName(name) ? kinds[name] : undefined
  return kind === undefined || !values.every((value) => fits(kind, value))
}

function fits(kind: Kind, value: unknown): boolean {
  if (kind === 'text') return typeof value === 'string'
  if (kind === 'number') return Number.isSafeInteger(value)
  if (kind === 'tags') return Array.isArray(value) && value.every((tag) => typeof tag === 'string')
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.entries(value).every(([name, text]) => name !== '__proto__' && typeof text === 'string')
  )
}
