import { type Contract, checkId, checkInput, checkKey, checkName, keyOf } from '../../contract/index.ts'
import { SluiceError } from '../../errors/index.ts'
import { type Envelope, tagCountMax } from '../../message/index.ts'
import type { OutgoingMessage, TransportFacts } from '../../transport/index.ts'
import { checkOptionNames, optionNames, shapeOf } from '../options/option-names.ts'
import type { PublishOptions } from './api.ts'

/** What makes messages of one bus: everything but the contract and the call. */
export interface OutgoingMaker {
  readonly source: string
  nowMs(): number
  newId(nowMs: number): string
  /** Runs middleware, encodes into the draft, compresses, checks the size: the last step before the sender. */
  finish(contract: Contract, data: unknown, draft: EnvelopeDraft, bytesMax: number): OutgoingMessage
}

/** An envelope while it is made; its body is empty until the data is encoded. */
export type EnvelopeDraft = { -readonly [Name in keyof Envelope]: Envelope[Name] }

/** What led to a message: stamped where the call does not say otherwise. */
export interface Cause {
  readonly correlationId: string | undefined
  readonly causationId: string | undefined
  readonly traceparent: string | undefined
  readonly tracestate: string | undefined
}

/** Attributes that only the library sets. */
export interface ReplyAttributes {
  readonly replyto?: string
  readonly replyfor?: string
}

/**
 * Validates one message and makes what a transport takes. Synchronous unless the schema is asynchronous.
 * Throws (or rejects with) VALIDATION_FAILED, NOT_SERIALIZABLE, INVALID_ATTRIBUTE, INVALID_OPTION, UNSUPPORTED, MESSAGE_TOO_LARGE.
 */
export function makeOutgoing(
  maker: OutgoingMaker,
  contract: Contract,
  data: unknown,
  options: PublishOptions,
  cause: Cause | undefined,
  facts: TransportFacts,
  bytesMax: number,
  reply?: ReplyAttributes,
): OutgoingMessage | Promise<OutgoingMessage> {
  const checked = checkInput(contract, data)
  if (checked instanceof Promise) return checked.then((done) => build(maker, contract, data, done.value, options, cause, facts, bytesMax, reply))
  return build(maker, contract, data, checked.value, options, cause, facts, bytesMax, reply)
}

function build(
  maker: OutgoingMaker,
  contract: Contract,
  data: unknown,
  output: unknown,
  options: PublishOptions,
  cause: Cause | undefined,
  facts: TransportFacts,
  bytesMax: number,
  reply: ReplyAttributes | undefined,
): OutgoingMessage {
  const nowMs = maker.nowMs()
  const id = options.id === undefined ? maker.newId(nowMs) : checkId(options.id)
  const key = options.key === undefined ? keyOf(contract, output) : checkKey(options.key)
  const { name: type } = contract
  const { source } = maker
  const time = timeText(nowMs)
  // One literal with all that nearly every message has: properties that are added later cost it a second object.
  const draft: EnvelopeDraft = key === undefined ? { id, type, source, time, body: '' } : { id, type, source, time, partitionkey: key, body: '' }
  if (contract.version !== 1) draft.schemaversion = contract.version
  if (cause !== undefined) stampCause(draft, cause)
  if (contract.tags.length > 0) draft.tags = contract.tags
  if (reply?.replyto !== undefined) draft.replyto = reply.replyto
  if (reply?.replyfor !== undefined) draft.replyfor = reply.replyfor
  if (options === noOptions) {
    const message = maker.finish(contract, data, draft, bytesMax)
    return contract.kind === 'event' && contract.unrouted === 'error' ? { ...message, rejectUnrouted: true } : message
  }
  return withOptions(maker, contract, data, draft, nowMs, options, facts, bytesMax)
}

/** Stands for absent options, so that the usual call is recognised by one comparison. */
export const noOptions: PublishOptions = Object.freeze({})

function stampCause(draft: EnvelopeDraft, cause: Cause): void {
  if (cause.correlationId !== undefined) draft.correlationid = cause.correlationId
  if (cause.causationId !== undefined) draft.causationid = cause.causationId
  if (cause.traceparent !== undefined) draft.traceparent = cause.traceparent
  if (cause.tracestate !== undefined) draft.tracestate = cause.tracestate
}

function withOptions(
  maker: OutgoingMaker,
  contract: Contract,
  data: unknown,
  draft: EnvelopeDraft,
  nowMs: number,
  options: PublishOptions,
  facts: TransportFacts,
  bytesMax: number,
): OutgoingMessage {
  if (options.correlationId !== undefined) draft.correlationid = checkId(options.correlationId, 'correlationId')
  if (options.causationId !== undefined) draft.causationid = checkId(options.causationId, 'causationId')
  if (options.traceparent !== undefined) draft.traceparent = options.traceparent
  if (options.tracestate !== undefined) draft.tracestate = options.tracestate
  if (options.subject !== undefined) draft.subject = options.subject
  if (options.sequence !== undefined) draft.sequence = options.sequence
  if (options.tags !== undefined) draft.tags = tagsOf(contract, options.tags)
  if (options.signal !== undefined) checkSignal(options.signal)
  if (options.headers !== undefined) draft.headers = lowerCased(options.headers)
  const notBeforeMs = dueMs(options, nowMs, facts, draft.partitionkey !== undefined)
  if (notBeforeMs !== undefined) draft.notbefore = timeText(notBeforeMs)
  const expiresAtMs = options.expiresInMs === undefined ? undefined : nowMs + duration('expiresInMs', options.expiresInMs)
  if (expiresAtMs !== undefined) draft.expirytime = timeText(expiresAtMs)
  return {
    ...maker.finish(contract, data, draft, bytesMax),
    ...(contract.kind === 'event' && contract.unrouted === 'error' ? { rejectUnrouted: true } : {}),
    ...(notBeforeMs === undefined ? {} : { notBeforeMs }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    ...(options.deduplicate === undefined ? {} : { deduplicate: deduplication(options.deduplicate, facts) }),
    ...(options.priority === undefined || options.priority === 0 ? {} : { priority: priorityOf(options.priority, facts) }),
  }
}

function tagsOf(contract: Contract, tags: readonly string[]): readonly string[] {
  if (!Array.isArray(tags)) {
    throw new SluiceError('INVALID_OPTION', `tags is not a list but ${shapeOf(tags)}`, { fix: "Write tags: ['vip']", details: { option: 'tags' } })
  }
  for (const tag of tags) checkName('tag', tag)
  const all = [...new Set([...contract.tags, ...tags])]
  if (all.length <= tagCountMax) return all
  throw new SluiceError('INVALID_OPTION', `the message has ${all.length} tags, those of its contract included; at most ${tagCountMax} are allowed`, {
    fix: 'Leave some out, or use headers',
    details: { option: 'tags' },
  })
}

/** @throws SluiceError INVALID_OPTION for what is no AbortSignal. */
export function checkSignal(signal: unknown): void {
  if (typeof signal === 'object' && signal !== null && 'aborted' in signal && 'addEventListener' in signal) return
  throw new SluiceError('INVALID_OPTION', `signal is not an AbortSignal but ${shapeOf(signal)}`, {
    fix: 'Pass the signal of an AbortController, or AbortSignal.timeout(ms)',
    details: { option: 'signal' },
  })
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) {
    throw new SluiceError('INVALID_OPTION', `headers is not an object but ${shapeOf(headers)}`, {
      fix: "Write headers: { tenant: 'T1' }",
      details: { option: 'headers' },
    })
  }
  const result: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (Object.hasOwn(result, lower)) throw new SluiceError('INVALID_HEADER', 'two headers differ only in case', { fix: 'Header names are lower-case' })
    // defineProperty, because `__proto__` is a header name like any other until it is refused.
    Object.defineProperty(result, lower, { value, enumerable: true, writable: true, configurable: true })
  }
  return result
}

// 100 years: beyond, a delay is a mistake (and a Date soon ends).
const durationMsMax = 100 * 365 * 86_400_000

function duration(name: string, ms: unknown): number {
  if (typeof ms === 'number' && ms >= 0 && ms <= durationMsMax) return ms
  throw new SluiceError('INVALID_OPTION', `${name} is not a number of milliseconds from 0 to 100 years`, {
    fix: 'Give milliseconds, e.g. 60_000 for a minute',
    details: { option: name },
  })
}

function dueMs(options: PublishOptions, nowMs: number, facts: TransportFacts, keyed: boolean): number | undefined {
  const { delayMs, at } = options
  if (delayMs === undefined && at === undefined) return undefined
  if (delayMs !== undefined && at !== undefined) throw new SluiceError('INVALID_OPTION', 'delayMs and at exclude each other', { fix: 'Give one of them' })
  const due = at === undefined ? nowMs + duration('delayMs', delayMs) : at instanceof Date ? at.getTime() : at
  if (!Number.isFinite(due) || due > nowMs + durationMsMax)
    throw new SluiceError('INVALID_OPTION', 'at is not a time within the next 100 years', {
      fix: 'Give a valid Date, or milliseconds since 1970',
      details: { option: 'at' },
    })
  if (due <= nowMs) return undefined
  const { delayMsMax } = facts.delayedSend
  if (due - nowMs > delayMsMax) {
    throw new SluiceError(
      'UNSUPPORTED',
      delayMsMax === 0 ? `${facts.name} cannot delay messages` : `${facts.name} delays messages by at most ${delayMsMax} ms`,
      {
        fix: 'Send it later, or route the channel to a transport with longer delays',
        details: { fact: 'delayedSend', delayMsMax },
      },
    )
  }
  if (keyed && !facts.delayedSend.keyed) {
    throw new SluiceError('UNSUPPORTED', `${facts.name} does not keep the order of delayed messages with a key`, {
      fix: 'Leave out the key, or route the channel to another transport',
      details: { fact: 'delayedSend' },
    })
  }
  return due
}

function deduplication(given: { readonly key: string; readonly windowMs: number }, facts: TransportFacts): { readonly key: string; readonly windowMs: number } {
  checkOptionNames('deduplicate', given, optionNames.deduplicate)
  if (typeof given.key !== 'string') {
    throw new SluiceError('INVALID_OPTION', `deduplicate.key is not a text but ${shapeOf(given.key)}`, {
      fix: 'Name what must not be there twice, e.g. the number of the payment',
      details: { option: 'deduplicate.key' },
    })
  }
  const key = checkKey(given.key, 'deduplicate.key')
  const windowMs = duration('deduplicate.windowMs', given.windowMs)
  if (windowMs <= facts.deduplicationMsMax) return { key, windowMs }
  const windowMsMax = facts.deduplicationMsMax
  const [what, fix] =
    windowMsMax === 0 ? ['cannot deduplicate what is sent', 'Leave out deduplicate'] : [`deduplicates within ${windowMsMax} ms at most`, 'Shorten the window']
  throw new SluiceError('UNSUPPORTED', `${facts.name} ${what}`, {
    fix: `${fix}, or route the channel to another transport`,
    details: { fact: 'deduplicationMsMax', windowMsMax },
  })
}

function priorityOf(priority: number, facts: TransportFacts): number {
  if (!Number.isInteger(priority) || priority < 0 || priority > 9)
    throw new SluiceError('INVALID_OPTION', 'priority is not a whole number from 0 to 9', {
      fix: '9 is the most urgent; leave it out for 0',
      details: { option: 'priority' },
    })
  if (facts.priority) return priority
  throw new SluiceError('UNSUPPORTED', `${facts.name} has no priorities`, {
    fix: 'Leave out the priority, or give urgent messages a channel of their own',
    details: { fact: 'priority' },
  })
}

let textMs = Number.NaN
let text = ''

/** RFC 3339 with milliseconds; many messages of one tick share the text. */
export function timeText(ms: number): string {
  if (ms !== textMs) {
    text = new Date(ms).toISOString()
    textMs = ms
  }
  return text
}
