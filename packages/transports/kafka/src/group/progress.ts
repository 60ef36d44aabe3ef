import { SluiceError } from '@sluice/core/transport'

/** Longest commit metadata that a broker takes unless it is set up otherwise (`offset.metadata.max.bytes`), characters. */
export const metadataCharsMax = 4_096

const version = '1:'
// Base64 writes three bytes, or what is left of them, as four characters; three numbers of at most eight bytes stand before the set.
const setBytesMax = Math.floor((metadataCharsMax - version.length) / 4) * 3 - 24

/** Offsets from `from` on, below `to`. */
interface Run {
  from: number
  to: number
}

/**
 * What a group has done in one Kafka partition: everything below the watermark, and runs of offsets beyond it. Both are
 * committed together (the watermark as the offset, the rest as its metadata), so that a key that waits holds up neither
 * the other keys of its partition nor makes them come again after a hand-over.
 *
 * It always fits: {@link admits} says before a delivery whether the set could still be written whatever is settled
 * first. Who does not ask may find that {@link metadata} throws.
 */
export class Progress {
  /** First offset that is not done: what is committed. */
  watermark: number
  /** Everything below may have been begun by somebody; what of it is not done and comes to a new owner is suspect. */
  claimed: number
  /** Number of the last change of the group (replay, purge) that is in it. */
  change = 0
  // Done beyond the watermark: ascending, apart from each other and from it.
  readonly #runs: Run[] = []

  constructor(watermark: number, claimed: number = watermark) {
    this.watermark = watermark
    this.claimed = Math.max(watermark, claimed)
  }

  /**
   * Reads what {@link metadata} wrote beside the committed offset. Metadata of others (another client, a tool that
   * reset the offset) is none: only the offset counts then.
   * @throws SluiceError UNSUPPORTED for that of a newer Sluice: ignoring it would deliver again what is done.
   */
  static read(watermark: number, metadata: string | null): Progress {
    const found = /^(\d+):([A-Za-z0-9+/]*={0,2})$/.exec(metadata ?? '')
    if (found === null) return new Progress(watermark)
    if (`${found[1]}:` !== version)
      throw new SluiceError('UNSUPPORTED', `Kafka: the group's progress is of format ${found[1]}, which this version cannot read`, {
        fix: 'Update @sluice/kafka in this process too',
      })
    const numbers = readNumbers(Buffer.from(found[2] as string, 'base64'))
    const [base, claimed = 0, change = 0, ...lengths] = numbers
    // Somebody moved the offset and left the metadata: it belongs to another offset.
    if (base !== watermark || lengths.length % 2 !== 0) return new Progress(watermark)
    const progress = new Progress(watermark, watermark + claimed)
    progress.change = change
    let at = watermark
    for (let i = 0; i < lengths.length; i += 2) {
      const from = at + (lengths[i] as number)
      at = from + (lengths[i + 1] as number)
      progress.#runs.push({ from, to: at })
    }
    return progress
  }

  /** Number of runs beyond the watermark. */
  get runs(): number {
    return this.#runs.length
  }

  /** Whether an offset is done. */
  isDone(offset: number): boolean {
    if (offset < this.watermark) return true
    const run = this.#runs[this.#before(offset)]
    return run !== undefined && offset < run.to
  }

  /** First offset from `offset` on that is not done. */
  nextOpen(offset: number): number {
    if (offset < this.watermark) return this.watermark
    const run = this.#runs[this.#before(offset)]
    return run !== undefined && offset < run.to ? run.to : offset
  }

  /** Offsets from `from` on, below `to`, are done, or hold nothing (compacted, aborted, a transaction's marker). */
  done(from: number, to: number = from + 1): void {
    let low = Math.max(from, this.watermark)
    let high = to
    if (high <= low) return
    // All runs that touch [low, high] become one.
    let first = this.#before(low)
    if (first < 0 || (this.#runs[first] as Run).to < low) first++
    let end = first
    while (end < this.#runs.length && (this.#runs[end] as Run).from <= high) end++
    if (end > first) {
      low = Math.min(low, (this.#runs[first] as Run).from)
      high = Math.max(high, (this.#runs[end - 1] as Run).to)
    }
    if (low > this.watermark) {
      this.#runs.splice(first, end - first, { from: low, to: high })
      return
    }
    this.#runs.splice(first, end - first)
    this.watermark = high
    if (this.claimed < high) this.claimed = high
  }

  /** Offsets from `from` on, below `to`, are to be done again; returns how many of them were done. */
  undo(from: number, to: number): number {
    if (to <= from) return 0
    let count = 0
    for (let at = from; at < to; ) {
      const open = this.nextOpen(at)
      count += Math.min(open, to) - at
      // Behind an open one the next run begins, if there is one.
      at = open >= to ? to : (this.#runs.find((run) => run.from > open)?.from ?? to)
    }
    const kept: Run[] = []
    const keep = (low: number, high: number): void => {
      if (high > low) kept.push({ from: low, to: high })
    }
    if (from < this.watermark) {
      keep(to, this.watermark)
      this.watermark = from
    }
    for (const run of this.#runs) {
      keep(run.from, Math.min(run.to, from))
      keep(Math.max(run.from, to), run.to)
    }
    this.#runs.splice(0, this.#runs.length, ...kept)
    this.claimed = Math.max(this.claimed, this.watermark)
    return count
  }

  /** Offsets that are done, from the watermark on. */
  get doneBeyond(): number {
    return this.#runs.reduce((sum, { from, to }) => sum + to - from, 0)
  }

  /**
   * Whether one more message may be handed out, while `open` others are and are not settled. Each of them is at most one
   * gap in the set: a byte for each offset of the gap and the length of the run behind it.
   */
  admits(offset: number, open: number): boolean {
    return (open + 1) * (1 + numberBytes(offset + 1 - this.watermark)) <= setBytesMax
  }

  /** What is committed beside the watermark. */
  metadata(): string {
    const numbers = [this.watermark, this.claimed - this.watermark, this.change]
    let at = this.watermark
    for (const { from, to } of this.#runs) {
      numbers.push(from - at, to - from)
      at = to
    }
    const text = version + Buffer.from(numbers.flatMap(writeNumber)).toString('base64')
    if (text.length > metadataCharsMax) throw new RangeError(`${this.#runs.length} runs beyond the watermark do not fit into the commit's metadata`)
    return text
  }

  /** Index of the last run that begins at or before `offset`; -1: none. */
  #before(offset: number): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#runs[middle] as Run).from <= offset) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

// Seven bits a byte, the lowest first; offsets are beyond what bit operators can do.
function writeNumber(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) + 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return bytes
}

function readNumbers(bytes: Uint8Array): number[] {
  const numbers: number[] = []
  let value = 0
  let scale = 1
  for (const byte of bytes) {
    value += (byte % 0x80) * scale
    scale *= 0x80
    if (byte >= 0x80) continue
    numbers.push(value)
    value = 0
    scale = 1
  }
  return numbers
}

function numberBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest /= 0x80) bytes++
  return bytes
}
