/** As many queues as a group of Sluice's has partitions by default: a key's messages stay in order when there are several consumers. */
export const queueCount = 8

/** The queue of a customer, whose name ends with a number. */
export function queueOf(customer: string): number {
  return Number(customer.slice(1)) % queueCount
}
