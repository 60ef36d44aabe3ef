/** Content of the messages that power-cut runs send: it follows from the id, so that a judge needs no copy. */

export const channelName = 'power.order'
export const typeName = 'power.order.placed'
/** Group whose members settle on the transport and hear when that is durable. */
export const transportGroup = 'flat'
/** Group whose members are handlers of a bus. */
export const busGroup = 'bus'
/** Table of the application that shares the file, one row a transaction. */
export const applicationTable = 'application_order'
/** Environment variable of the recorded processes: the engine's option walBytesMax, bytes. */
export const walBytesMaxName = 'SLUICE_POWER_CUT_WAL_BYTES'

export interface PowerOrder {
  readonly id: string
  readonly text: string
}

/** `id`: producer, a dash, and its count. */
export function orderOf(id: string): PowerOrder {
  const seq = seqOf(id)
  return { id, text: `${id}:`.repeat(seq % 40 === 39 ? 800 : 1 + (seq % 23)) }
}

/** Every seventh message has no key. */
export function keyOf(id: string): string | undefined {
  const seq = seqOf(id)
  return seq % 7 === 6 ? undefined : `k${seq % 13}`
}

export function producerOf(id: string): string {
  return id.slice(0, id.lastIndexOf('-'))
}

export function seqOf(id: string): number {
  return Number(id.slice(id.lastIndexOf('-') + 1))
}
