/** Who is told that what all agree on has changed: once for all that happens in a turn of the event loop. */
export class ChangeListeners {
  readonly #listeners: Set<() => void> = new Set()
  #telling = false

  listen(listener: () => void): void {
    this.#listeners.add(listener)
  }

  unlisten(listener: () => void): void {
    this.#listeners.delete(listener)
  }

  /** Calls them when the code that runs now is through; none may throw. */
  tell(): void {
    if (this.#telling) return
    this.#telling = true
    queueMicrotask(() => {
      this.#telling = false
      for (const listener of [...this.#listeners]) listener()
    })
  }
}
