import type { Entry } from './model.ts'

/** Entries ready to be delivered, by position; those given back come before those never delivered. */
export class EntryQueue {
  #returned: Entry[] = []
  #fresh: Entry[] = []
  #head = 0

  /** Adds the newest. */
  push(entry: Entry): void {
    this.#fresh.push(entry)
  }

  /** Puts one back where its position says. */
  putBack(entry: Entry): void {
    let at = this.#returned.length
    while (at > 0 && (this.#returned[at - 1] as Entry).message.position > entry.message.position) at--
    this.#returned.splice(at, 0, entry)
  }

  /** Removes and returns the first that `take` agrees to; `take` undefined: simply the first. */
  shift(take?: (entry: Entry) => boolean): Entry | undefined {
    if (take !== undefined) return this.#shiftMatching(take)
    if (this.#returned.length > 0) return this.#returned.shift()
    const entry = this.#fresh[this.#head]
    if (entry === undefined) return undefined
    this.#head++
    // Cutting off what was read in large steps keeps shifting constant in time.
    if (this.#head > 1024 && this.#head * 2 > this.#fresh.length) {
      this.#fresh = this.#fresh.slice(this.#head)
      this.#head = 0
    }
    return entry
  }

  peek(): Entry | undefined {
    return this.#returned[0] ?? this.#fresh[this.#head]
  }

  /** Drops entries whose position is below `position`; returns them. */
  dropBelow(position: number): Entry[] {
    const all = [...this.#returned, ...this.#fresh.slice(this.#head)]
    this.#returned = []
    this.#fresh = all.filter((entry) => entry.message.position >= position)
    this.#head = 0
    return all.filter((entry) => entry.message.position < position)
  }

  #shiftMatching(take: (entry: Entry) => boolean): Entry | undefined {
    const at = this.#returned.findIndex(take)
    if (at >= 0) return this.#returned.splice(at, 1)[0]
    for (let i = this.#head; i < this.#fresh.length; i++) {
      const entry = this.#fresh[i] as Entry
      if (!take(entry)) continue
      this.#fresh.splice(i, 1)
      return entry
    }
    return undefined
  }
}
