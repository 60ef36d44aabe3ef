import { type CommandContract, command, type EventContract, event, type RequestContract, request, typed } from '@sluice/core'

/** What most cases send. */
export interface Item {
  readonly n: number
  readonly key?: string
  readonly text?: string
}

export const Placed: EventContract<Item> = event('shop.order.placed', typed<Item>(), { key: (item) => item.key })
/** On the same channel, with the same lanes. */
export const Paid: EventContract<Item> = event('shop.order.paid', typed<Item>(), { key: (item) => item.key })
export const Ship: CommandContract<Item> = command('shop.ship', typed<Item>(), { key: (item) => item.key })
export const Quote: RequestContract<Item, Item, { readonly price: number }> = request('shop.quote', typed<Item>(), {
  reply: typed<{ readonly price: number }>(),
})

/** `count` entries over `keys` keys, numbered from `first`. */
export function items(count: number, keys: number, first = 0): { readonly data: Item }[] {
  return Array.from({ length: count }, (_, i) => ({ data: { n: first + i, key: `k${i % keys}` } }))
}

/** The channel of {@link Placed} and {@link Paid}. */
export const orderChannel = 'shop.order'
