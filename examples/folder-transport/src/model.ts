import type { Clock, Envelope } from '@sluice/core/transport'

/** A message in a channel; its position is the number of its line, from 0. */
export interface StoredMessage {
  readonly position: number
  readonly envelope: Envelope
  readonly storedAtMs: number
  readonly sizeBytes: number
}

/** A channel, as its groups see it. */
export interface GroupHome {
  readonly name: string
  readonly clock: Clock
  readonly partitions: number
  readonly messages: readonly StoredMessage[]
  /** An ephemeral group has lost its last member. */
  groupGone(name: string): void
}
