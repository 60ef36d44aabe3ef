import type { Envelope } from '../../message/envelope.ts'

/** How a group orders its messages: by key, all of the channel in one line, or not at all. */
export type GroupOrder = 'key' | 'channel' | 'none'

/**
 * What places a message in a partition: its key, or `''` for every message of a group that orders the whole channel.
 * undefined: the group shares it out to any member, since there is nothing it must stay behind; such a delivery has the
 * partition `''`. (Its lane in the parking lot, should it get one, is placed by the message's id.)
 */
export function placementKey(envelope: Envelope, order: GroupOrder): string | undefined {
  if (order === 'channel') return ''
  return order === 'key' ? envelope.partitionkey : undefined
}
