import { createHash } from 'node:crypto'
import { type Channel, type CommandContract, channel, command, type EventContract, event, type RequestContract, request, typed } from '@sluice/core'
import { contentHash } from '../../history/index.ts'
import type { Behaviour, GroupPlan } from './plan.ts'

/** Data of the messages of a torture run; `text` makes their sizes differ. */
export interface TortureOrder {
  readonly producer: string
  readonly seq: number
  readonly key: string | null
  readonly text: string
}

/** What a request is answered with. */
export interface TortureAnswer {
  readonly producer: string
  readonly seq: number
}

/**
 * Contracts of a run: two share a channel and its lanes; handlers send the third; each instance hears all notices; work
 * and questions are for one of the group that is named like their channel.
 */
export interface TortureContracts {
  readonly placed: EventContract<TortureOrder>
  readonly paid: EventContract<TortureOrder>
  readonly derived: EventContract<TortureOrder>
  readonly notice: EventContract<TortureOrder>
  readonly work: CommandContract<TortureOrder>
  readonly question: RequestContract<TortureOrder, TortureOrder, TortureAnswer>
}

/** Names of the channels of a run. */
export const orderChannel = 'torture.order'
/** Channel of what handlers send. */
export const derivedChannel = 'torture.derived'
/** Channel of what every instance hears. */
export const noticeChannel = 'torture.notice'
/** Channel and group of commands. */
export const workChannel = 'torture.work'
/** Channel and group of requests. */
export const questionChannel = 'torture.question'

/** The group of an instance's own copy of the notices, in a history. */
export const noticeGroup = (proc: string): string => `notice of ${proc}`

export function tortureContracts(partitions: number): TortureContracts {
  const key = (order: TortureOrder): string | undefined => order.key ?? undefined
  const orders: Channel<TortureOrder> = channel<TortureOrder>(orderChannel, { key, partitions })
  const derived: Channel<TortureOrder> = channel<TortureOrder>(derivedChannel, { key, partitions })
  return {
    placed: event(`${orderChannel}.placed`, typed<TortureOrder>(), { channel: orders }),
    paid: event(`${orderChannel}.paid`, typed<TortureOrder>(), { channel: orders }),
    derived: event(`${derivedChannel}.made`, typed<TortureOrder>(), { channel: derived }),
    notice: event(`${noticeChannel}.given`, typed<TortureOrder>(), { key }),
    work: command(workChannel, typed<TortureOrder>(), { key }),
    question: request(questionChannel, typed<TortureOrder>(), { reply: typed<TortureAnswer>(), key }),
  }
}

/** Hash of what must arrive as it was sent. */
export const hashOf = (order: TortureOrder): string => contentHash(JSON.stringify(order), order.key ?? undefined)

/** What the handler of a group does with an attempt: follows from the seed and the message, not from time. */
export function behaviourOf(seed: number, group: Pick<GroupPlan, 'name' | 'behaviours'>, order: TortureOrder, attempt: number): Behaviour {
  const hash = createHash('md5').update(`${seed} ${group.name} ${order.producer} ${order.seq} ${attempt}`).digest()
  let luck = hash.readUInt32LE(0) / 2 ** 32
  for (const [behaviour, share] of Object.entries(group.behaviours) as [Behaviour, number][]) {
    if (luck < share) return behaviour
    luck -= share
  }
  return 'return'
}
