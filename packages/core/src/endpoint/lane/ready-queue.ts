/** A first-in, first-out queue in a ring that grows and never shrinks below its start: no allocation in a steady state. */
export class ReadyQueue<T> {
  #ring: (T | undefined)[] = new Array<T | undefined>(64).fill(undefined)
  #head = 0
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The next one, left in its place. */
  get head(): T | undefined {
    return this.#ring[this.#head]
  }

  push(item: T): void {
    if (this.#size === this.#ring.length) this.#grow()
    this.#ring[(this.#head + this.#size) & (this.#ring.length - 1)] = item
    this.#size++
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined
    const item = this.#ring[this.#head]
    this.#ring[this.#head] = undefined
    this.#head = (this.#head + 1) & (this.#ring.length - 1)
    this.#size--
    return item
  }

  #grow(): void {
    const ring = new Array<T | undefined>(this.#ring.length * 2).fill(undefined)
    for (let i = 0; i < this.#size; i++) ring[i] = this.#ring[(this.#head + i) & (this.#ring.length - 1)]
    this.#ring = ring
    this.#head = 0
  }
}
