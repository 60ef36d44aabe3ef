import { SluiceError } from '../errors/index.ts'
import type { Channel, ChannelRetention } from './contract.ts'
import { checkName } from './names.ts'
import { refuseUnknownOptions } from './options.ts'

/** Options of {@link channel}. */
export interface ChannelOptions<KeyInput = never> {
  /**
   * Ordering key of every message of the channel whose contract has none of its own. Annotate its parameter: each
   * contract's output must satisfy it. Default: no key.
   */
  readonly key?: (output: KeyInput) => string | undefined
  /** Number of partitions of ordered consumption, 1–10,000. May grow between releases, never shrink. Default: the transport's. */
  readonly partitions?: number
  /** How long accepted messages stay. Default: the transport's. */
  readonly retention?: ChannelRetention
}

/**
 * A channel that several contracts share, with its lanes: messages with one key keep their order across the contracts.
 *
 * ```ts
 * const orders = channel('shop.order', { key: (o: { orderId: string }) => o.orderId, partitions: 16 })
 * const OrderPlaced = event('shop.order.placed', placedSchema, { channel: orders })
 * ```
 *
 * Throws INVALID_NAME, INVALID_OPTION.
 */
export function channel<KeyInput = unknown>(name: string, options: ChannelOptions<KeyInput> = {}): Channel<KeyInput> {
  checkName('channel', name)
  refuseUnknownOptions(`channel ${name}`, options, ['key', 'partitions', 'retention'])
  const { key, partitions, retention } = options
  if (key !== undefined && typeof key !== 'function') {
    throw new SluiceError('INVALID_OPTION', `key of channel ${name} is not a function`, { fix: 'Pass a function from the data to its ordering key' })
  }
  if (partitions !== undefined && !(Number.isInteger(partitions) && partitions >= 1 && partitions <= 10_000)) {
    throw new SluiceError('INVALID_OPTION', `partitions of channel ${name} is not a whole number from 1 to 10,000`)
  }
  return Object.freeze({ name, key, partitions, retention: retention === undefined ? undefined : checkRetention(name, retention) })
}

function checkRetention(name: string, retention: ChannelRetention): ChannelRetention {
  refuseUnknownOptions(`retention of channel ${name}`, retention, ['maxAgeMs', 'maxBytes', 'keepForGroups'])
  for (const bound of ['maxAgeMs', 'maxBytes'] as const) {
    const value = retention[bound]
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 0)) {
      throw new SluiceError('INVALID_OPTION', `retention.${bound} of channel ${name} is not a whole number from 0 on`)
    }
  }
  if (retention.keepForGroups !== undefined && typeof retention.keepForGroups !== 'boolean') {
    throw new SluiceError('INVALID_OPTION', `retention.keepForGroups of channel ${name} is not true or false`)
  }
  return Object.freeze({ ...retention })
}
