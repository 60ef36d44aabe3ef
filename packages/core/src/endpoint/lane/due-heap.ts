/** Something that waits for a time; the heap keeps its place in `heapIndex` (-1: not waiting), so that it can be moved. */
export interface Waiting {
  wakeMs: number
  heapIndex: number
}

/** A binary heap by `wakeMs`: one timer serves any number of waiting lanes. */
export class DueHeap<T extends Waiting> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  /** The earliest time, or Infinity. */
  get nextMs(): number {
    return this.#items[0]?.wakeMs ?? Number.POSITIVE_INFINITY
  }

  /** Puts an item in, or moves it when `wakeMs` is another than before. */
  set(item: T, wakeMs: number): void {
    if (item.heapIndex >= 0) {
      const before = item.wakeMs
      item.wakeMs = wakeMs
      if (wakeMs < before) this.#up(item.heapIndex, item)
      else this.#down(item.heapIndex, item)
      return
    }
    item.wakeMs = wakeMs
    this.#items.push(item)
    this.#up(this.#items.length - 1, item)
  }

  remove(item: T): void {
    const index = item.heapIndex
    if (index < 0) return
    item.heapIndex = -1
    const last = this.#items.pop() as T
    if (last === item) return
    if (last.wakeMs < item.wakeMs) this.#up(index, last)
    else this.#down(index, last)
  }

  /** Takes out the earliest item if its time has come. */
  popDue(nowMs: number): T | undefined {
    const first = this.#items[0]
    if (first === undefined || first.wakeMs > nowMs) return undefined
    this.remove(first)
    return first
  }

  #up(from: number, item: T): void {
    let index = from
    while (index > 0) {
      const parent = (index - 1) >> 1
      const other = this.#items[parent] as T
      if (other.wakeMs <= item.wakeMs) break
      this.#items[index] = other
      other.heapIndex = index
      index = parent
    }
    this.#items[index] = item
    item.heapIndex = index
  }

  #down(from: number, item: T): void {
    let index = from
    const size = this.#items.length
    for (;;) {
      let child = 2 * index + 1
      if (child >= size) break
      if (child + 1 < size && (this.#items[child + 1] as T).wakeMs < (this.#items[child] as T).wakeMs) child++
      const other = this.#items[child] as T
      if (other.wakeMs >= item.wakeMs) break
      this.#items[index] = other
      other.heapIndex = index
      index = child
    }
    this.#items[index] = item
    item.heapIndex = index
  }
}
