/** The order that every benchmark carries: 230 bytes as a CloudEvents JSON message, 4,000 customers. */
export interface Order {
  readonly orderId: string
  readonly customer: string
  readonly total: number
  readonly quantity: number
}

/** The n-th order of a run. */
export function orderOf(n: number): Order {
  return { orderId: `A${1_000_000 + n}`, customer: `c${10_000 + ((n * 2_654_435_761) % 4_000)}`, total: 1000 + (n % 9000) / 100, quantity: 10 + (n % 90) }
}

/** Which order of the run this is. */
export function numberOf(order: Order): number {
  return Number(order.orderId.slice(1)) - 1_000_000
}

/** The same order as a bare CloudEvents JSON object, for those who write the log themselves. */
export function cloudEventOf(n: number): object {
  const data = orderOf(n)
  return {
    specversion: '1.0',
    id: `0000000${100_000_000_000 + n}`,
    source: 'order',
    type: 'shop.order.placed',
    time: '2026-11-21T10:00:00.000Z',
    partitionkey: data.customer,
    data,
  }
}

/** Entries of a batch. */
export const batchSize = 500
