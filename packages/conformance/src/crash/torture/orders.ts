import { createHash } from 'node:crypto'
import { type Channel, channel, type EventContract, event, typed } from '@sluice/core'
import { contentHash } from '../../history/index.ts'
import type { Behaviour, GroupPlan } from './plan.ts'

/** Data of the messages of a torture run; `text` makes their sizes differ. */
export interface TortureOrder {
  readonly producer: string
  readonly seq: number
  readonly key: string | null
  readonly text: string
}

/** Contracts of a run: two share a channel and its lanes; handlers send the third. */
export interface TortureContracts {
  readonly placed: EventContract<TortureOrder>
  readonly paid: EventContract<TortureOrder>
  readonly derived: EventContract<TortureOrder>
}

/** Names of the channels of a run. */
export const orderChannel = 'torture.order'
/** Channel of what handlers send. */
export const derivedChannel = 'torture.derived'

export function tortureContracts(partitions: number): TortureContracts {
  const key = (order: TortureOrder): string | undefined => order.key ?? undefined
  const orders: Channel<TortureOrder> = channel<TortureOrder>(orderChannel, { key, partitions })
  const derived: Channel<TortureOrder> = channel<TortureOrder>(derivedChannel, { key, partitions })
  return {
    placed: event(`${orderChannel}.placed`, typed<TortureOrder>(), { channel: orders }),
    paid: event(`${orderChannel}.paid`, typed<TortureOrder>(), { channel: orders }),
    derived: event(`${derivedChannel}.made`, typed<TortureOrder>(), { channel: derived }),
  }
}

/** Hash of what must arrive as it was sent. */
export const hashOf = (order: TortureOrder): string => contentHash(JSON.stringify(order), order.key ?? undefined)

/** What the handler of a group does with an attempt: follows from the seed and the message, not from time. */
export function behaviourOf(seed: number, group: GroupPlan, order: TortureOrder, attempt: number): Behaviour {
  const hash = createHash('md5').update(`${seed} ${group.name} ${order.producer} ${order.seq} ${attempt}`).digest()
  let luck = hash.readUInt32LE(0) / 2 ** 32
  for (const [behaviour, share] of Object.entries(group.behaviours) as [Behaviour, number][]) {
    if (luck < share) return behaviour
    luck -= share
  }
  return 'return'
}
