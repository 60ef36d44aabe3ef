import { type Contract, checkName } from '../../contract/index.ts'
import { SluiceError } from '../../errors/index.ts'
import { breakerOptions, type RetryPolicy, rateLimit, retryPolicy } from '../../policy/index.ts'
import { checkOptionNames, optionNames } from '../options/option-names.ts'
import type { BatchOptions, SharedHandlerOptions } from './api.ts'
import { callerPlace } from './place.ts'

/** A handler as the application gave it, whatever its contracts. */
export type AnyHandler = (first: unknown, context: unknown) => unknown

/** Options of `on` and `handle` together. */
export interface AnyHandlerOptions extends SharedHandlerOptions {
  readonly group?: string
  readonly broadcast?: boolean
  readonly batch?: BatchOptions | undefined
}

/** One call of `on` or `handle`, checked. */
export interface Registration {
  readonly contracts: readonly Contract[]
  readonly handler: AnyHandler
  readonly options: AnyHandlerOptions
  /** Group per channel: the service's, the option's, the instance's (broadcast), or the channel itself. */
  groupOf(channel: string): string
  readonly broadcast: boolean
  readonly retry: Partial<RetryPolicy>
  readonly batch: { readonly size: number; readonly waitMs: number; readonly perLane: 'one' | 'many' } | undefined
  /** `file:line` of the call. */
  readonly place: string
}

/** Who registers. */
export interface RegistrationOwner {
  readonly service: string
  readonly instanceId: string
  readonly retry: Partial<RetryPolicy> | undefined
}

/** Checks a call of `on` or `handle`. @throws SluiceError INVALID_OPTION, INVALID_NAME, CONTRACT_CONFLICT. */
export function register(
  verb: 'on' | 'handle',
  contracts: readonly Contract[],
  handler: AnyHandler,
  options: AnyHandlerOptions,
  owner: RegistrationOwner,
): Registration {
  if (typeof handler !== 'function')
    throw new SluiceError('INVALID_OPTION', `${verb} needs a handler function`, { fix: `Write ${verb}(Contract, (data, context) => { … })` })
  if (contracts.length === 0) throw new SluiceError('INVALID_OPTION', `${verb} needs at least one contract`, { fix: 'Name one, or leave the call out' })
  for (const contract of contracts) {
    if ((contract.kind === 'event') !== (verb === 'on')) {
      throw new SluiceError('INVALID_OPTION', `${contract.name} is a contract of kind ${contract.kind}`, {
        fix: `Use ${contract.kind === 'event' ? 'on' : 'handle'} for it`,
      })
    }
  }
  if (new Set(contracts.map((contract) => contract.name)).size < contracts.length) throw new SluiceError('CONTRACT_CONFLICT', `${verb} names a contract twice`)
  checkOptions(verb, options)
  if (options.batch !== undefined && contracts.some((contract) => contract.kind === 'request'))
    throw new SluiceError('INVALID_OPTION', 'requests are answered one by one, and batch is set', { fix: 'Leave out batch' })
  const broadcast = options.broadcast === true
  const group = broadcast ? `${owner.service}.${owner.instanceId}` : options.group === undefined ? owner.service : checkName('group', options.group)
  return {
    contracts,
    handler,
    options,
    groupOf: verb === 'on' ? () => group : (channel) => channel,
    broadcast,
    retry: { ...owner.retry, ...options.retry },
    batch: options.batch === undefined ? undefined : { size: options.batch.size, waitMs: options.batch.waitMs ?? 0, perLane: options.batch.perLane ?? 'one' },
    place: callerPlace() ?? 'an unknown place',
  }
}

function checkOptions(verb: 'on' | 'handle', options: AnyHandlerOptions): void {
  if (typeof options !== 'object' || options === null) checkOptionNames(verb, options, optionNames[verb])
  if (verb === 'handle' && (options.group !== undefined || options.broadcast !== undefined)) {
    throw new SluiceError('INVALID_OPTION', 'handle takes neither group nor broadcast', {
      fix: 'A command channel has exactly one group, named like the channel',
    })
  }
  if (options.broadcast === true && options.group !== undefined)
    throw new SluiceError('INVALID_OPTION', 'group and broadcast exclude each other', { fix: 'A broadcast has a group of its own per instance' })
  if ('inbox' in options && options.inbox !== undefined)
    throw new SluiceError('UNSUPPORTED', 'this version has no inbox yet', { fix: 'Keep the ids of handled messages beside your data' })
  checkOptionNames(verb, options, optionNames[verb])
  if (options.filter !== undefined && typeof options.filter !== 'function') throw invalid('filter', 'a function (attributes) => boolean')
  if (options.broadcast !== undefined && typeof options.broadcast !== 'boolean') throw invalid('broadcast', 'true or false')
  oneOf('order', options.order, ['key', 'channel', 'none'])
  oneOf('onDeadLetter', options.onDeadLetter, ['park', 'continue'])
  oneOf('onNewerVersion', options.onNewerVersion, ['hold', 'dead-letter'])
  oneOf('concurrencyScope', options.concurrencyScope, ['process', 'group'])
  whole('concurrency', options.concurrency, 1, 10_000)
  if (options.timeoutMs !== undefined && !(options.timeoutMs > 0 && options.timeoutMs < Number.POSITIVE_INFINITY))
    throw invalid('timeoutMs', 'a positive number of milliseconds')
  const { from, batch } = options
  if (from !== undefined && from !== 'start' && from !== 'end' && !(from instanceof Date && Number.isFinite(from.getTime())))
    throw invalid('from', "'start', 'end' or a valid Date")
  if (batch !== undefined) {
    checkOptionNames('batch', batch, optionNames.batch)
    whole('batch.size', batch.size, 1, 10_000, true)
    if (batch.waitMs !== undefined && !(batch.waitMs >= 0 && batch.waitMs <= 60_000)) throw invalid('batch.waitMs', 'a number of milliseconds from 0 to 60,000')
    oneOf('batch.perLane', batch.perLane, ['one', 'many'])
  }
  checkPolicies(options)
}

function checkPolicies({ rateLimit: limit, retry, circuitBreaker, killSwitch }: AnyHandlerOptions): void {
  if (limit !== undefined) {
    checkOptionNames('rateLimit', limit, optionNames.rateLimit)
    rateLimit(limit)
  }
  if (retry !== undefined) {
    checkOptionNames('retry', retry, optionNames.retry)
    retryPolicy(retry)
  }
  if (circuitBreaker !== undefined) {
    checkOptionNames('circuitBreaker', circuitBreaker, optionNames.breaker)
    breakerOptions('circuitBreaker', circuitBreaker)
  }
  if (killSwitch !== undefined && killSwitch !== false) {
    checkOptionNames('killSwitch', killSwitch, optionNames.breaker)
    breakerOptions('killSwitch', killSwitch)
  }
}

function oneOf(name: string, value: unknown, allowed: readonly string[]): void {
  if (value !== undefined && !allowed.includes(value as string)) throw invalid(name, allowed.map((word) => `'${word}'`).join(' or '))
}

function whole(name: string, value: unknown, min: number, max: number, required = false): void {
  if (value === undefined && !required) return
  if (!(Number.isInteger(value) && (value as number) >= min && (value as number) <= max))
    throw invalid(name, `a whole number from ${min} to ${max.toLocaleString('en')}`)
}

function invalid(name: string, is: string): SluiceError {
  return new SluiceError('INVALID_OPTION', `${name} is not ${is}`, { details: { option: name } })
}
