/** `event`, `command`, `request`: the only places where contracts are made. */
import { SluiceError } from '../errors/index.ts'
import type { Channel, CommandContract, ContractBase, EventContract, RequestContract } from './contract.ts'
import { checkName, printable } from './names.ts'
import { refuseUnknownOptions } from './options.ts'
import type { StandardSchema } from './standard-schema.ts'

/**
 * Turns the data of one older version into the *input* of the next one. Annotate its parameter with the older type; it
 * is `unknown` otherwise. Synchronous and pure: it runs for every message of that version. (A method type, so that a
 * narrower annotation is allowed.)
 */
export type Upcaster = { upcast(data: unknown): unknown }['upcast']

/** Options of every contract. */
export interface ContractOptions<Output> {
  /**
   * The channel it travels on: a name, or one made by `channel()`, whose key the output must satisfy. Default for
   * events: the name up to its last dot (`shop.order.placed` travels on `shop.order`), the whole name where there is no
   * dot. For commands and requests: the full name.
   */
  readonly channel?: string | Channel<Output>
  /**
   * Ordering key: messages with one key are handled in the order they were sent. Gets the producer's output; a string
   * of 1–255 bytes, or undefined for an unordered message. Default: the channel's key, else none.
   */
  readonly key?: (output: Output) => string | undefined
  /** Version of the data, a whole number from 1. Default 1. Raise it when older data no longer satisfies the schema. */
  readonly version?: number
  /**
   * What makes older messages readable: by version, a function from its data to the input of the next version. They run
   * as a chain, before validation. Default: none; an older message is then dead-lettered with NO_UPCAST.
   */
  readonly upcast?: Readonly<Record<number, Upcaster>>
  /** Tags of each message, to filter by. At most 16. Default: none. */
  readonly tags?: readonly string[]
}

/** Options of {@link event}. */
export interface EventContractOptions<Output> extends ContractOptions<Output> {
  /** Groups that must get it even if none of their members ever started. Default: none. */
  readonly groups?: readonly string[]
  /** What happens to an event that no group ever asked for: kept and counted, or refused with UNROUTED. Default `keep`. */
  readonly unrouted?: 'keep' | 'error'
}

/** Options of {@link request}. */
export interface RequestContractOptions<Output, ReplyInput, ReplyOutput> extends ContractOptions<Output> {
  /** Schema of the answer: the handler returns its input, the requester gets its output. */
  readonly reply: StandardSchema<ReplyInput, ReplyOutput>
}

const commonOptions = ['channel', 'key', 'version', 'upcast', 'tags'] as const

/**
 * One fact, for every interested group: `bus.publish`, `bus.on`.
 *
 * ```ts
 * const OrderPlaced = event('shop.order.placed', z.object({ orderId: z.string() }), { key: o => o.orderId })
 * ```
 *
 * `schema` is from any Standard Schema library, `typed<T>()` or `jsonSchema<T>(…)`. Throws INVALID_NAME, INVALID_OPTION.
 */
export function event<const Name extends string, Input, Output>(
  name: Name,
  schema: StandardSchema<Input, Output>,
  options: EventContractOptions<NoInfer<Output>> = {},
): EventContract<Input, Output, Name> {
  const base = describe('event', name, schema, options, [...commonOptions, 'groups', 'unrouted'])
  const { groups = [], unrouted = 'keep' } = options
  if (!Array.isArray(groups)) throw new SluiceError('INVALID_OPTION', `groups of ${name} is not a list of names`)
  for (const group of groups) checkName('group', group)
  if (unrouted !== 'keep' && unrouted !== 'error')
    throw new SluiceError('INVALID_OPTION', `unrouted of ${name} is ${printable(unrouted)}, not "keep" or "error"`)
  return Object.freeze({ kind: 'event', ...base, groups: Object.freeze([...new Set(groups)]), unrouted })
}

/**
 * One task for exactly one consumer: `bus.send`, `bus.handle`. Throws INVALID_NAME, INVALID_OPTION.
 *
 * ```ts
 * const ShipOrder = command('shop.shipping.ship', z.object({ orderId: z.string() }), { key: o => o.orderId })
 * ```
 */
export function command<const Name extends string, Input, Output>(
  name: Name,
  schema: StandardSchema<Input, Output>,
  options: ContractOptions<NoInfer<Output>> = {},
): CommandContract<Input, Output, Name> {
  return Object.freeze({ kind: 'command', ...describe('command', name, schema, options, commonOptions) })
}

/**
 * A task that answers: `bus.request`, `bus.handle`. Throws INVALID_NAME, INVALID_OPTION.
 *
 * ```ts
 * const GetQuote = request('shop.price.quote', z.object({ sku: z.string() }), { reply: z.object({ cents: z.int() }) })
 * ```
 */
export function request<const Name extends string, Input, Output, ReplyInput, ReplyOutput>(
  name: Name,
  schema: StandardSchema<Input, Output>,
  options: RequestContractOptions<NoInfer<Output>, ReplyInput, ReplyOutput>,
): RequestContract<Input, Output, ReplyInput, ReplyOutput, Name> {
  const base = describe('request', name, schema, options, [...commonOptions, 'reply'])
  requireSchema(`reply of ${name}`, options.reply)
  return Object.freeze({ kind: 'request', ...base, reply: options.reply })
}

function describe<Name extends string, Input, Output>(
  kind: 'event' | 'command' | 'request',
  name: Name,
  schema: StandardSchema<Input, Output>,
  options: ContractOptions<Output>,
  known: readonly string[],
): ContractBase<Input, Output, Name> {
  checkName('contract', name)
  requireSchema(`schema of ${name}`, schema)
  refuseUnknownOptions(`${kind} ${name}`, options, known)
  const { channel, key, version = 1, upcast = {}, tags = [] } = options
  if (key !== undefined && typeof key !== 'function') throw new SluiceError('INVALID_OPTION', `key of ${name} is not a function`)
  if (!Number.isInteger(version) || version < 1 || version > 0x7fffffff)
    throw new SluiceError('INVALID_OPTION', `version of ${name} is not a whole number from 1 on`)
  if (!Array.isArray(tags) || tags.length > 16) throw new SluiceError('INVALID_OPTION', `tags of ${name} is not a list of at most 16 names`)
  for (const tag of tags) checkName('tag', tag)
  const settings = channel === undefined || typeof channel === 'string' ? undefined : channel
  const channelName = checkName('channel', settings?.name ?? channel ?? (kind === 'event' ? subjectOf(name) : name))
  return {
    name,
    channel: channelName,
    version,
    schema,
    key: key ?? settings?.key,
    tags: Object.freeze([...new Set(tags)]),
    upcast: checkUpcasters(name, version, upcast),
    channelSettings: settings === undefined ? undefined : Object.freeze({ name: channelName, partitions: settings.partitions, retention: settings.retention }),
  }
}

/** `shop.order.placed` and `shop.order.paid` are events of the subject `shop.order` and share its lanes. */
function subjectOf(name: string): string {
  const dot = name.lastIndexOf('.')
  return dot === -1 ? name : name.slice(0, dot)
}

function requireSchema(what: string, schema: unknown): void {
  const standard = (typeof schema === 'object' || typeof schema === 'function') && schema !== null && '~standard' in schema ? schema['~standard'] : undefined
  if (typeof standard === 'object' && standard !== null && 'validate' in standard && typeof standard.validate === 'function') return
  throw new SluiceError('INVALID_OPTION', `the ${what} is not a Standard Schema`, {
    fix: 'Pass a schema of zod, valibot, arktype or another Standard Schema library, typed<T>(), or jsonSchema<T>(schema, validate)',
  })
}

function checkUpcasters(name: string, version: number, upcast: Readonly<Record<number, Upcaster>>): Readonly<Record<number, Upcaster>> {
  for (const [from, upcaster] of Object.entries(upcast)) {
    const number = Number(from)
    if (!Number.isInteger(number) || number < 1 || number >= version) {
      throw new SluiceError('INVALID_OPTION', `upcast of ${name} names the version ${printable(from)}`, {
        fix: `Older versions of this contract are 1 to ${version - 1}; raise version, or drop the upcaster`,
      })
    }
    if (typeof upcaster !== 'function') throw new SluiceError('INVALID_OPTION', `the upcaster of ${name} for version ${from} is not a function`)
  }
  // No prototype: a version is looked up by a number that came with a message.
  return Object.freeze(Object.assign(Object.create(null), upcast))
}
