import { SluiceError } from '../../errors/index.ts'
import { type BreakerOptions, breakerOptions, type RateLimit, rateLimit } from '../../policy/index.ts'
import type { Registration } from './registration.ts'

/** What all handlers of one (channel, group) share. Where nobody said anything: the default, or undefined where it depends on the transport. */
export interface GroupSettings {
  readonly from: 'start' | 'end' | number
  readonly order: 'key' | 'channel' | 'none'
  readonly concurrency: number
  readonly concurrencyScope: 'process' | 'group'
  readonly onDeadLetter: 'park' | 'continue'
  readonly onNewerVersion: 'hold' | 'dead-letter'
  readonly rateLimit: RateLimit | undefined
  readonly circuitBreaker: BreakerOptions | undefined
  readonly killSwitch: BreakerOptions | undefined
  /** Options that a handler stated, not taken from the defaults. */
  readonly stated: ReadonlySet<string>
}

/** Handlers of one group at once, unless said otherwise: hides a few ms of I/O, and is no more than a usual database pool has. */
export const concurrencyDefault = 16

const shared = [
  'from',
  'order',
  'concurrency',
  'concurrencyScope',
  'onDeadLetter',
  'onNewerVersion',
  'rateLimit',
  'circuitBreaker',
  'killSwitch',
  'broadcast',
] as const

/**
 * Settles what the handlers of a group say. A handler that does not mention an option agrees with the others.
 * @throws SluiceError CONTRACT_CONFLICT naming both places.
 */
export function settleGroup(channel: string, group: string, registrations: readonly Registration[]): GroupSettings {
  const stated = new Map<string, { readonly value: unknown; readonly place: string }>()
  for (const { options, place } of registrations) {
    for (const name of shared) {
      const value = options[name]
      if (value === undefined) continue
      const before = stated.get(name)
      if (before === undefined) stated.set(name, { value, place })
      else if (text(before.value) !== text(value)) {
        throw new SluiceError(
          'CONTRACT_CONFLICT',
          `handlers of group ${group} on channel ${channel} disagree about ${name}: ${text(before.value)} (${before.place}) and ${text(value)} (${place})`,
          {
            fix: 'State it alike, state it once, or give one of them another group',
            details: { channel, group, option: name },
          },
        )
      }
    }
  }
  const of = <Value>(name: (typeof shared)[number], fallback: Value): Value => (stated.get(name)?.value ?? fallback) as Value
  const from = of<'start' | 'end' | Date>('from', of('broadcast', false) ? 'end' : 'start')
  const limit = of<RateLimit | undefined>('rateLimit', undefined)
  const breaker = of<Partial<BreakerOptions> | undefined>('circuitBreaker', undefined)
  const kill = of<Partial<BreakerOptions> | false>('killSwitch', {})
  return {
    from: from instanceof Date ? from.getTime() : from,
    order: of('order', 'key'),
    concurrency: of('concurrency', concurrencyDefault),
    concurrencyScope: of('concurrencyScope', 'process'),
    onDeadLetter: of('onDeadLetter', 'continue'),
    onNewerVersion: of('onNewerVersion', 'hold'),
    rateLimit: limit === undefined ? undefined : rateLimit(limit),
    circuitBreaker: breaker === undefined ? undefined : breakerOptions('circuitBreaker', breaker),
    killSwitch: kill === false ? undefined : breakerOptions('killSwitch', kill),
    stated: new Set(stated.keys()),
  }
}

/** @throws SluiceError CONTRACT_CONFLICT when two handlers take the same contract in the same group. */
export function checkNoSecondHandler(channel: string, group: string, registrations: readonly Registration[]): void {
  const taken = new Map<string, string>()
  for (const { contracts, place } of registrations) {
    for (const contract of contracts) {
      if (contract.channel !== channel) continue
      const before = taken.get(contract.name)
      if (before !== undefined) {
        throw new SluiceError('CONTRACT_CONFLICT', `${contract.name} has two handlers in group ${group}: ${before} and ${place}`, {
          fix: 'Call both from one handler, or give one of them another group',
          details: { contract: contract.name, channel, group },
        })
      }
      taken.set(contract.name, place)
    }
  }
}

function text(value: unknown): string {
  return value instanceof Date ? value.toISOString() : typeof value === 'object' ? JSON.stringify(value) : String(value)
}
