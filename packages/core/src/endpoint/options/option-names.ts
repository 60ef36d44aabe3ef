/**
 * The options that each call of the bus knows. A misspelt option that is silently ignored is found in production, by
 * the wrong person. The tables are typed against the options' interfaces: one that is missing here does not compile.
 */
import { SluiceError } from '../../errors/index.ts'
import type { CompressionOptions } from '../../message/index.ts'
import type { BreakerOptions, RateLimit, RetryPolicy } from '../../policy/index.ts'
import type { GroupOption, ReplayOptions } from '../administration/api.ts'
import type { ConnectOptions, LimitOptions } from '../connect/api.ts'
import type { BatchOptions, EventHandlerOptions } from '../handler/api.ts'
import type { RequestOptions } from '../request-reply/api.ts'
import type { ScheduleOptions } from '../schedule/api.ts'
import type { PublishEntry, PublishManyOptions, PublishOptions } from '../sender/api.ts'

type Names<Options> = Readonly<Record<keyof Options, true>>

const attributes: Names<
  Pick<PublishOptions, 'id' | 'key' | 'headers' | 'subject' | 'tags' | 'priority' | 'correlationId' | 'causationId' | 'traceparent' | 'tracestate'>
> = {
  ...{ id: true, key: true, headers: true, subject: true, tags: true, priority: true },
  ...{ correlationId: true, causationId: true, traceparent: true, tracestate: true },
}
const entry: Names<PublishEntry<unknown>> = {
  ...attributes,
  ...{ data: true, sequence: true, delayMs: true, at: true, expiresInMs: true, deduplicate: true },
}
const { data: _, ...one } = entry
const publish: Names<PublishOptions> = { ...one, tx: true, timeoutMs: true, signal: true }
const publishMany: Names<PublishManyOptions> = {
  ...{ tx: true, timeoutMs: true, signal: true },
  ...{ correlationId: true, causationId: true, traceparent: true, tracestate: true },
}
const request: Names<RequestOptions> = { ...attributes, timeoutMs: true, signal: true }
const schedule: Names<ScheduleOptions> = { key: true, headers: true, subject: true, tags: true, priority: true, expiresInMs: true, timeZone: true }
const handler: Names<EventHandlerOptions> = {
  ...{ from: true, order: true, concurrency: true, concurrencyScope: true, onDeadLetter: true, onNewerVersion: true },
  ...{ rateLimit: true, circuitBreaker: true, killSwitch: true, retry: true, filter: true, timeoutMs: true },
  ...{ group: true, broadcast: true, batch: true },
}
const { group: _group, broadcast: _broadcast, ...handle } = handler
const batch: Names<BatchOptions> = { size: true, waitMs: true, perLane: true }
const retry: Names<RetryPolicy> = { attempts: true, minDelayMs: true, maxDelayMs: true, maxAgeMs: true, when: true }
const breaker: Names<BreakerOptions> = { count: true, share: true, windowMs: true, openMs: true }
const rateLimit: Names<RateLimit> = { messages: true, intervalMs: true }
const deduplicate: Names<NonNullable<PublishOptions['deduplicate']>> = { key: true, windowMs: true }
const connect: Names<ConnectOptions> = {
  ...{ service: true, url: true, routes: true, retry: true, logger: true, transports: true, sqlite: true, transportOptions: true },
  ...{ limits: true, compression: true, codecs: true, holdMaxMs: true, clock: true, random: true },
}
const limits: Names<LimitOptions> = {
  ...{ messageBytesMax: true, publishBufferCountMax: true, publishBufferBytesMax: true },
  ...{ windowCountMax: true, windowBytesMax: true, pendingRequestsMax: true },
}
const compression: Names<CompressionOptions> = { encoding: true, thresholdBytes: true }
const group: Names<GroupOption> = { group: true }
const replay: Names<ReplayOptions> = { group: true, from: true, to: true }

const namesOf = (names: Readonly<Record<string, true>>): ReadonlySet<string> => new Set(Object.keys(names))

/** Calls and option blocks whose names are known. */
export type OptionBlock =
  | 'publish'
  | 'publishMany'
  | 'entry'
  | 'request'
  | 'schedule'
  | 'on'
  | 'handle'
  | 'batch'
  | 'retry'
  | 'breaker'
  | 'rateLimit'
  | 'deduplicate'
  | 'connect'
  | 'limits'
  | 'compression'
  | 'group'
  | 'groupsRemove'
  | 'replay'
  | 'stop'

/** The names known to each call, in the order in which errors list them. */
export const optionNames: Readonly<Record<OptionBlock, ReadonlySet<string>>> = {
  publish: namesOf(publish),
  publishMany: namesOf(publishMany),
  entry: namesOf(entry),
  request: namesOf(request),
  schedule: namesOf(schedule),
  on: namesOf(handler),
  handle: namesOf(handle),
  batch: namesOf(batch),
  retry: namesOf(retry),
  breaker: namesOf(breaker),
  rateLimit: namesOf(rateLimit),
  deduplicate: namesOf(deduplicate),
  connect: namesOf(connect),
  limits: namesOf(limits),
  compression: namesOf(compression),
  group: namesOf(group),
  groupsRemove: new Set(['channel']) as ReadonlySet<string>,
  replay: namesOf(replay),
  stop: new Set(['deadlineMs']) as ReadonlySet<string>,
} as const satisfies Readonly<Record<string, ReadonlySet<string>>>

/**
 * Checks the options given to a call: one loop over what was given, nothing is made unless it fails.
 * @throws SluiceError INVALID_OPTION for what is no object, or names an option that nobody reads.
 */
export function checkOptionNames(call: string, options: unknown, names: ReadonlySet<string>): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new SluiceError('INVALID_OPTION', `the options of ${call} are not an object but ${shapeOf(options)}`, {
      fix: `Pass an object with any of ${[...names].join(', ')}, or leave it out`,
    })
  }
  for (const name in options) {
    if (names.has(name)) continue
    throw new SluiceError('INVALID_OPTION', `${call} has no option ${JSON.stringify(name.slice(0, 64))}`, {
      fix: `Its options are ${[...names].join(', ')}`,
      details: { option: name.slice(0, 64) },
    })
  }
}

/** What a value is, without showing it. */
export function shapeOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value
}
