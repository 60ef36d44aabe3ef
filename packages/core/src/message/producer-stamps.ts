import type { Envelope } from './envelope.ts'

interface Counter {
  epoch: number
  next: number
}

/**
 * The sender's half of R4: numbers keyed messages so that consumers can tell a repeat from a gap. Used where the
 * transport's fact `publishOrder` is `sequence`.
 *
 * The numbers run per channel and partition, and a partition must be one that all its messages' readers share (the
 * transport's own partition of the key), else a reader sees gaps that never fill. Number 0 of an epoch is sent alone, and
 * the next ones when it is confirmed: a reader that meets a producer for the first time has no other way to know that
 * something is missing before what it sees. A resend sends the *same* stamped
 * envelopes again. Who gives a stamped message up for good (aborted, too late) must call {@link ProducerStamps.renew}
 * and stamp what is still to be sent again: its number will never come.
 */
export class ProducerStamps {
  readonly #producerId: string
  readonly #epoch: number
  readonly #channels: Map<string, Map<string, Counter>> = new Map()

  /** `producerId` must be unique per running bus (its instance id). A name that survives restarts needs a higher `epoch` each time. */
  constructor(producerId: string, epoch: number = 0) {
    this.#producerId = producerId
    this.#epoch = epoch
  }

  /** A copy with the next number of its channel and partition; an older stamp is replaced. */
  stamp(envelope: Envelope, channel: string, partition: string): Envelope {
    const counter = this.#counter(channel, partition)
    return { ...envelope, producerid: this.#producerId, producerepoch: counter.epoch, producerseq: counter.next++ }
  }

  /** Begins a new epoch from 0: what was stamped and not sent must be stamped again. Consumers stop waiting for the old one. */
  renew(channel: string, partition: string): void {
    const counter = this.#counter(channel, partition)
    counter.epoch++
    counter.next = 0
  }

  #counter(channel: string, partition: string): Counter {
    let partitions = this.#channels.get(channel)
    if (partitions === undefined) {
      partitions = new Map()
      this.#channels.set(channel, partitions)
    }
    let counter = partitions.get(partition)
    if (counter === undefined) {
      counter = { epoch: this.#epoch, next: 0 }
      partitions.set(partition, counter)
    }
    return counter
  }
}
