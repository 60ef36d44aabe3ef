/** As many queues as a group of Sluice's has partitions by default: a key's messages stay in order when there are several consumers. */
export const queueCount = 8

/** The queue of a customer, whose name ends with a number. */
function queueOf(customer: string): number {
  return Number(customer.slice(1)) % queueCount
}

/** As Sluice's: type, queue among 8, further three bits of the key, six bits of the id. */
export function routingKey(type: string, customer: string, n: number): string {
  return `${type.replaceAll('.', '/')}.${queueOf(customer)}.${n % 8}.${n % 64}`
}

/** Binds a queue to its messages. */
export function bindingKey(queue: number): string {
  return `*.${queue}.*.*`
}
