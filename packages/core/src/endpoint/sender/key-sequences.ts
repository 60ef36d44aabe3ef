import type { OutgoingMessage } from '../../transport/index.ts'

interface Sequence {
  readonly producerId: string
  epoch: number
  next: number
}

// What a stamp adds to a message: two numbers of at most 16 digits and the id.
const numbersBytes = 32

/**
 * The sender's half of R4, where a transport's fact `publishOrder` is `sequence`: numbers the messages of each key, so
 * that consumers can tell a repeat from a gap. Each key is a producer of its own (`<instance>/<n>`), so that whoever reads
 * the key reads all numbers, however a transport or a group shares keys out.
 *
 * Number 0 goes alone, and the next ones when it is confirmed: a reader that meets a producer for the first time has no
 * other way to know that something is missing before what it sees. A resend carries the same numbers. When a numbered
 * message is given up, a new epoch begins: its number will never come.
 */
export class KeySequences {
  readonly #instanceId: string
  readonly #lanesMax: number
  readonly #sequences: Map<string, Sequence> = new Map()
  #made = 0

  /** `lanesMax`: keys remembered; the longest idle are forgotten and begin anew, as another producer. */
  constructor(instanceId: string, lanesMax = 100_000) {
    this.#instanceId = instanceId
    this.#lanesMax = lanesMax
  }

  /** Whether the next number of this lane is 0. */
  begins(lane: string): boolean {
    return (this.#sequences.get(lane)?.next ?? 0) === 0
  }

  /** The message with its lane's next number; unchanged if it has a number of the current epoch. */
  stamp(lane: string, message: OutgoingMessage): OutgoingMessage {
    const sequence = this.#touch(lane)
    const { envelope } = message
    if (envelope.producerid === sequence.producerId && envelope.producerepoch === sequence.epoch) return message
    const { producerId: producerid, epoch: producerepoch } = sequence
    return {
      ...message,
      sizeBytes: message.sizeBytes + producerid.length + numbersBytes,
      envelope: { ...envelope, producerid, producerepoch, producerseq: sequence.next++ },
    }
  }

  /** A numbered message of the lane will never come (again): what is still to be sent is numbered anew. */
  renew(lane: string): void {
    const sequence = this.#sequences.get(lane)
    if (sequence === undefined || sequence.next === 0) return
    sequence.epoch++
    sequence.next = 0
  }

  #touch(lane: string): Sequence {
    let sequence = this.#sequences.get(lane)
    if (sequence === undefined) {
      sequence = { producerId: `${this.#instanceId}/${this.#made++}`, epoch: 0, next: 0 }
      if (this.#sequences.size >= this.#lanesMax) {
        for (const oldest of this.#sequences.keys()) {
          this.#sequences.delete(oldest)
          break
        }
      }
    } else this.#sequences.delete(lane)
    // Put last: the map's order is that of use.
    this.#sequences.set(lane, sequence)
    return sequence
  }
}
