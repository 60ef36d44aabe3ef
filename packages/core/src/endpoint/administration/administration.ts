import type { Contract, EventContract } from '../../contract/index.ts'
import { SluiceError } from '../../errors/index.ts'
import type { CodecRegistry } from '../../message/index.ts'
import type { DeadLetter, DeadLetterQuery, TransportAdmin } from '../../transport/index.ts'
import type { Route } from '../bus/route.ts'
import { attributesOf } from '../handler/context.ts'
import { checkOptionNames, optionNames } from '../options/option-names.ts'
import { replyChannelPrefix } from '../request-reply/reply-message.ts'
import type { DeadLetterFilter, DeadLetterItem, DeadLetterSelection, DeadLetters, GroupOption, GroupRow, Groups, ReplayOptions } from './api.ts'

/** What administration needs of its bus. */
export interface AdministrationParts {
  readonly service: string
  readonly codecs: CodecRegistry
  readonly messageBytesMax: number
  routes(): readonly Route[]
  routeOf(contract: Contract): Route
  nowMs(): number
}

const listLimit = 100

/** What the bus can do beside the message flow; everything goes straight to the transports. */
export class Administration {
  readonly #parts: AdministrationParts
  readonly groups: Groups

  constructor(parts: AdministrationParts) {
    this.#parts = parts
    this.groups = { list: () => this.inspect(), remove: async (name, options = {}) => this.#removeGroup(name, options) }
  }

  async inspect(): Promise<readonly GroupRow[]> {
    const rows = await Promise.all(
      this.#parts.routes().map(async ({ transport }) => {
        const groups = await transport.admin.groups()
        // Reply channels are an instance's own business.
        return groups.filter((row) => !row.channel.startsWith(replyChannelPrefix)).map((row): GroupRow => ({ transport: transport.facts.name, ...row }))
      }),
    )
    return rows.flat().sort((a, b) => compare(a.channel, b.channel) || compare(a.group, b.group))
  }

  cancel(contract: Contract, id: string): Promise<boolean> {
    return this.#adminOf(contract).cancel(contract.channel, id)
  }

  setPaused(contract: Contract, options: GroupOption | undefined, paused: boolean): Promise<void> {
    return this.#adminOf(contract).setPaused(contract.channel, this.#groupNamed(paused ? 'pause' : 'resume', contract, options), paused)
  }

  async replay(contract: EventContract, options: ReplayOptions = {}): Promise<number> {
    const { transport } = this.#parts.routeOf(contract)
    if (contract.kind !== 'event') {
      throw new SluiceError(
        'INVALID_OPTION',
        `${(contract as Contract).name} is a contract of kind ${(contract as Contract).kind}, and only events are replayed`,
        {
          fix: 'Send it again, or redrive its dead letters',
        },
      )
    }
    checkOptionNames('replay', options, optionNames.replay)
    if (!transport.facts.replay) {
      throw new SluiceError('UNSUPPORTED', `${transport.facts.name} does not keep messages after they were accepted`, {
        fix: 'Route the channel to a transport that keeps a log',
        details: { fact: 'replay' },
      })
    }
    const from = instant('from', options.from)
    const to = instant('to', options.to)
    if (from !== undefined && to !== undefined && from >= to)
      throw new SluiceError('INVALID_OPTION', 'from is not before to', {
        fix: 'What was stored at from comes again, what was stored at to does not',
        details: { option: 'from' },
      })
    return transport.admin.replay(contract.channel, this.#groupOf(contract, options), from, to)
  }

  deadLetters(contract: Contract, options: GroupOption | undefined): DeadLetters {
    const admin = this.#adminOf(contract)
    const group = this.#groupNamed('deadLetters', contract, options)
    const { channel } = contract
    return {
      list: async (filter = {}) => {
        const query: DeadLetterQuery = {
          ...queryOf(contract, filter),
          limit: filter.limit ?? listLimit,
          ...(filter.after === undefined ? {} : { after: filter.after }),
        }
        return (await admin.deadLetters(channel, group, query)).map((letter) => this.#item(letter))
      },
      redrive: async (which) => admin.redrive(channel, group, queryOf(contract, filterOf(which))),
      discard: async (which) => admin.discard(channel, group, queryOf(contract, filterOf(which))),
    }
  }

  #item(letter: DeadLetter): DeadLetterItem {
    const { deadLetterId, envelope, reason, parkedBehind, redrives } = letter
    return { deadLetterId, message: attributesOf(envelope), data: this.#dataOf(letter), reason, parkedBehind, redrives }
  }

  #dataOf(letter: DeadLetter): unknown {
    try {
      return this.#parts.codecs.decode(letter.envelope, this.#parts.messageBytesMax)
    } catch {
      // It may be a dead letter for this very reason.
      return undefined
    }
  }

  async #removeGroup(name: string, options: { readonly channel?: string }): Promise<number> {
    checkOptionNames('groups.remove', options, optionNames.groupsRemove)
    const { channel } = options
    let removed = 0
    for (const { transport } of this.#parts.routes()) {
      for (const row of await transport.admin.groups(channel)) {
        if (row.group !== name) continue
        await transport.admin.removeGroup(row.channel, name)
        removed++
      }
    }
    return removed
  }

  #adminOf(contract: Contract): TransportAdmin {
    return this.#parts.routeOf(contract).transport.admin
  }

  #groupNamed(call: string, contract: Contract, options: GroupOption | undefined): string {
    if (options !== undefined) checkOptionNames(call, options, optionNames.group)
    return this.#groupOf(contract, options)
  }

  #groupOf(contract: Contract, options: GroupOption | undefined): string {
    if (contract.kind === 'event') return options?.group ?? this.#parts.service
    if (options?.group === undefined || options.group === contract.channel) return contract.channel
    throw new SluiceError('INVALID_OPTION', `${contract.name} has one group only, which is named like its channel`, { fix: 'Leave out group' })
  }
}

function filterOf(which: DeadLetterSelection): DeadLetterFilter {
  if (which === 'all') return {}
  if (isList(which)) return { ids: which.map((item) => item.deadLetterId) }
  if (typeof which !== 'object' || which === null)
    throw new SluiceError('INVALID_OPTION', "which dead letters? Not 'all', an item, a list of items or a filter", {
      fix: "Pass 'all', what list() returned, or e.g. { fingerprint }",
    })
  if ('deadLetterId' in which) return { ids: [which.deadLetterId] }
  // A condition that is missing by accident (`{ fingerprint: undefined }`) must not mean all of them.
  if (which.ids === undefined && which.keys === undefined && which.fingerprint === undefined && which.limit === undefined)
    throw new SluiceError('INVALID_OPTION', 'the filter names neither ids, keys, a fingerprint nor a limit', { fix: "Pass 'all' if you mean all of them" })
  return which
}

function isList(which: DeadLetterSelection): which is readonly DeadLetterItem[] {
  return Array.isArray(which)
}

const filterNames: ReadonlySet<string> = new Set(['ids', 'keys', 'fingerprint', 'limit', 'after'])

function queryOf(contract: Contract, filter: DeadLetterFilter): DeadLetterQuery {
  // A misspelt condition would silently mean all of them.
  for (const name of Object.keys(filter))
    if (!filterNames.has(name))
      throw new SluiceError('INVALID_OPTION', `dead letters cannot be filtered by ${JSON.stringify(name)}`, { fix: `Filter by ${[...filterNames].join(', ')}` })
  return {
    types: [contract.name],
    ...(filter.ids === undefined ? {} : { deadLetterIds: filter.ids }),
    ...(filter.keys === undefined ? {} : { keys: filter.keys }),
    ...(filter.fingerprint === undefined ? {} : { fingerprint: filter.fingerprint }),
    ...(filter.limit === undefined ? {} : { limit: filter.limit }),
  }
}

function instant(name: string, value: Date | number | undefined): number | undefined {
  if (value === undefined) return undefined
  const ms = value instanceof Date ? value.getTime() : value
  if (Number.isFinite(ms)) return ms
  throw new SluiceError('INVALID_OPTION', `${name} is not a time`, { fix: 'Give a valid Date, or milliseconds since 1970', details: { option: name } })
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
