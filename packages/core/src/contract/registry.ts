import { SluiceError } from '../errors/index.ts'
import type { ChannelSettings, Contract } from './contract.ts'
import { printable } from './names.ts'

/** What one bus knows about a channel from the contracts it was shown. */
export interface KnownChannel {
  readonly name: string
  /** A channel carries events, or commands and requests. */
  readonly kind: 'events' | 'commands'
  readonly partitions: number | undefined
  readonly retention: ChannelSettings['retention']
  /** Groups that events of this channel must reach even if they were never started. */
  readonly groups: ReadonlySet<string>
  readonly contracts: readonly Contract[]
}

interface Entry {
  readonly name: string
  readonly kind: 'events' | 'commands'
  settings: ChannelSettings | undefined
  readonly groups: Set<string>
  readonly contracts: Contract[]
}

/**
 * The contracts that one bus works with. Finds contradictions before anything is sent: there is no registry of the
 * whole process, so two buses, or two tests, never disturb each other.
 *
 * Two contract objects of one name are fine where they agree on kind, channel and version (a consumer may describe only
 * the fields it reads).
 */
export class ContractRegistry {
  readonly #seen = new WeakSet<Contract>()
  readonly #byName = new Map<string, Contract>()
  readonly #channels = new Map<string, Entry>()
  readonly #spelling = new Map<string, string>()

  /** Takes a contract in; cheap for one it knows. Throws CONTRACT_CONFLICT or INVALID_OPTION, and then takes in nothing. */
  register(contract: Contract): void {
    if (this.#seen.has(contract)) return
    if (!isContract(contract)) {
      throw new SluiceError('INVALID_OPTION', `expected a contract, got ${printable(contract)}`, { fix: 'Make contracts with event(), command() or request()' })
    }
    const kind = contract.kind === 'event' ? 'events' : 'commands'
    const sameName = this.#byName.get(contract.name)
    if (sameName !== undefined) agree(sameName, contract)
    this.#checkSpelling('contract', contract.name)
    this.#checkSpelling('channel', contract.channel)
    const known = this.#channels.get(contract.channel)
    if (known !== undefined && known.kind !== kind) {
      throw conflict(
        `channel ${contract.channel} carries ${known.kind} (${known.contracts[0]?.name}), so it cannot carry the ${contract.kind} ${contract.name}`,
        'A channel carries events, or commands and requests: give one of them another channel',
      )
    }
    const settings = contract.channelSettings
    if (known?.settings !== undefined && settings !== undefined) agreeOnSettings(known.settings, settings)

    const entry: Entry = known ?? { name: contract.channel, kind, settings: undefined, groups: new Set(), contracts: [] }
    entry.settings ??= settings
    entry.contracts.push(contract)
    if (contract.kind === 'event') for (const group of contract.groups) entry.groups.add(group)
    this.#channels.set(entry.name, entry)
    if (sameName === undefined) this.#byName.set(contract.name, contract)
    this.#spelling.set(`contract ${contract.name.toLowerCase()}`, contract.name).set(`channel ${contract.channel.toLowerCase()}`, contract.channel)
    this.#seen.add(contract)
  }

  /** The first contract of this name, or undefined. */
  byName(name: string): Contract | undefined {
    return this.#byName.get(name)
  }

  /** What is known about a channel, or undefined. */
  channel(name: string): KnownChannel | undefined {
    const entry = this.#channels.get(name)
    return entry === undefined ? undefined : view(entry)
  }

  /** Every channel of the contracts taken in so far, in that order. */
  channels(): readonly KnownChannel[] {
    return [...this.#channels.values()].map(view)
  }

  /** Some brokers and file systems fold case: two names that differ only there would meet. */
  #checkSpelling(what: 'contract' | 'channel', name: string): void {
    const known = this.#spelling.get(`${what} ${name.toLowerCase()}`)
    if (known !== undefined && known !== name)
      throw conflict(`the ${what} names ${known} and ${name} differ only in case`, 'Spell them alike, or choose another name')
  }
}

/** Whether a value is a contract made by `event`, `command` or `request`, of this or another copy of the library. */
export function isContract(value: unknown): value is Contract {
  if (typeof value !== 'object' || value === null) return false
  const { kind, name, channel, schema } = value as Partial<Contract>
  return (kind === 'event' || kind === 'command' || kind === 'request') && typeof name === 'string' && typeof channel === 'string' && schema !== undefined
}

function agree(known: Contract, contract: Contract): void {
  for (const field of ['kind', 'channel', 'version'] as const) {
    if (known[field] !== contract[field]) {
      throw conflict(
        `two contracts are named ${contract.name}, one with ${field} ${known[field]}, one with ${contract[field]}`,
        'Share one contract object, or give them the same kind, channel and version',
      )
    }
  }
}

function agreeOnSettings(known: ChannelSettings, settings: ChannelSettings): void {
  if (known === settings) return
  const text = (s: ChannelSettings): string => JSON.stringify([s.partitions, s.retention?.maxAgeMs, s.retention?.maxBytes, s.retention?.keepForGroups])
  if (text(known) === text(settings)) return
  throw conflict(
    `channel ${known.name} was made twice with different partitions or retention`,
    'Make it once with channel() and share it between the contracts',
  )
}

function conflict(message: string, fix: string): SluiceError {
  return new SluiceError('CONTRACT_CONFLICT', message, { fix })
}

function view(entry: Entry): KnownChannel {
  return {
    name: entry.name,
    kind: entry.kind,
    partitions: entry.settings?.partitions,
    retention: entry.settings?.retention,
    groups: entry.groups,
    contracts: entry.contracts,
  }
}
