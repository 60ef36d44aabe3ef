/** Binds the queues of groups to the exchanges of their channels, and sees that they stay bound. */
import { type GroupOrder, partitionName } from '@sluice/core/transport'
import type { Channel } from 'amqplib'
import { bindingKeys, formerBindingKeys, type Names } from '../names.ts'
import type { GroupEntry } from '../registry/state.ts'

/**
 * Of the keys that queues are bound by and messages routed by. A group that is recorded with another one is bound anew by
 * whoever meets it. 0: keys with the hash last, bound by `#.6`.
 */
export const bindingsVersion = 1

/** Whose queues. */
export type Bound = Pick<GroupEntry, 'channel' | 'group' | 'order'>

/** A queue of a group, and a key that it is bound by. */
interface Binding {
  readonly queue: string
  readonly key: string
}

/** All bindings of a group's queues, of so many partitions. */
export function bindingsOf(
  names: Names,
  { channel, group, order }: Bound,
  partitions: number,
  keys: (order: GroupOrder, index: number, partitions: number) => readonly string[] = bindingKeys,
): readonly Binding[] {
  return Array.from({ length: partitions }, (_, index) => {
    const queue = names.partition(channel, group, partitionName(index, partitions))
    return keys(order, index, partitions).map((key) => ({ queue, key }))
  }).flat()
}

/** Binds; what is bound already stays as it is. */
export async function bindAll(on: Channel, bindings: readonly Binding[], exchange: string): Promise<void> {
  await Promise.all(bindings.map(({ queue, key }) => on.bindQueue(queue, exchange, key)))
}

/** Unbinds; what is not bound is no error. */
export async function unbindAll(on: Channel, bindings: readonly Binding[], exchange: string): Promise<void> {
  await Promise.all(bindings.map(({ queue, key }) => on.unbindQueue(queue, exchange, key)))
}

/** Binds a group's queues as this version does, and takes away what an earlier one bound: it would send messages to a second partition. */
export async function bindAnew(on: Channel, names: Names, entry: Bound & Pick<GroupEntry, 'partitions' | 'bindings'>): Promise<void> {
  const { channel, partitions, bindings = 0 } = entry
  const exchange = names.exchange(channel)
  await bindAll(on, bindingsOf(names, entry, partitions), exchange)
  if (bindings < bindingsVersion) await unbindAll(on, bindingsOf(names, entry, partitions, formerBindingKeys), exchange)
}
