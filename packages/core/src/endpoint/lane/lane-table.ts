/** What {@link LaneTable} needs of a lane: its key, and places for the table's own use. */
export interface Keyed<T> {
  readonly key: string
  keyHash: number
  nextInBucket: T | undefined
}

const bucketsMin = 64

/**
 * Lanes by key. Not a `Map`: one that is filled and emptied without end leaves behind its former tables, each pointing to
 * the next and to all lanes of its time; once one of them has grown old, the collector takes all later ones for alive and
 * copies every lane there ever was. Here lanes are linked by themselves, and unlinked when they go: nothing is allocated.
 */
export class LaneTable<T extends Keyed<T>> {
  /** Odd. Not to be known outside: whoever chooses keys could choose such as share a bucket. */
  readonly #factor: number
  #buckets: (T | undefined)[] = new Array<T | undefined>(bucketsMin).fill(undefined)
  #size = 0
  // Who looks a key up in vain puts it in next.
  #lastKey = ''
  #lastHash: number

  /** @param seed Any 32 bits; decides where keys lie, and nothing else. */
  constructor(seed: number) {
    this.#factor = seed | 1
    this.#lastHash = this.#hashOf('')
  }

  get size(): number {
    return this.#size
  }

  get(key: string): T | undefined {
    const hash = this.#hashOf(key)
    this.#lastKey = key
    this.#lastHash = hash
    let lane = this.#buckets[hash & (this.#buckets.length - 1)]
    while (lane !== undefined && (lane.keyHash !== hash || lane.key !== key)) lane = lane.nextInBucket
    return lane
  }

  /** Puts a lane in whose key is not there. */
  add(lane: T): void {
    if (this.#size >= this.#buckets.length) this.#grow()
    lane.keyHash = lane.key === this.#lastKey ? this.#lastHash : this.#hashOf(lane.key)
    this.#link(lane)
    this.#size++
  }

  /** Takes a lane out; one that is not there is left alone. */
  remove(lane: T): void {
    const buckets = this.#buckets
    const at = lane.keyHash & (buckets.length - 1)
    let before: T | undefined
    for (let other = buckets[at]; other !== undefined; other = other.nextInBucket) {
      if (other !== lane) {
        before = other
        continue
      }
      if (before === undefined) buckets[at] = lane.nextInBucket
      else before.nextInBucket = lane.nextInBucket
      lane.nextInBucket = undefined
      this.#size--
      return
    }
  }

  #link(lane: T): void {
    const at = lane.keyHash & (this.#buckets.length - 1)
    lane.nextInBucket = this.#buckets[at]
    this.#buckets[at] = lane
  }

  #grow(): void {
    const before = this.#buckets
    this.#buckets = new Array<T | undefined>(before.length * 2).fill(undefined)
    for (const first of before) {
      for (let lane = first; lane !== undefined; ) {
        const next = lane.nextInBucket
        this.#link(lane)
        lane = next
      }
    }
  }

  #hashOf(key: string): number {
    const factor = this.#factor
    let hash = factor
    for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), factor)
    // The lowest bits of a product know only the lowest bits of what was multiplied.
    hash ^= hash >>> 15
    hash = Math.imul(hash, 0x2c1b3c6d)
    return hash ^ (hash >>> 12)
  }
}
