/** Moves delayed messages into the log when they are due: every process tries, whichever takes the write lock first does it. */
import type { Timer } from '@sluice/core/transport'
import type { BusFile, BusListener } from '../bus-file.ts'
import { moveDue } from './delayed-rows.ts'

const batchCount = 500
/** A stream of due messages shares commits: without a pause each move found a few, and synced them. One alone does not wait. */
const pauseMs = 5
/** The wall clock may jump: a timer never sleeps past this, ms. */
const sleepMsMax = 10_000

export class DelayMover implements BusListener {
  readonly #bus: BusFile
  #timer: Timer | undefined
  #timerDueMs = Infinity
  #moving = false
  #movedAtMs = -Infinity
  #closed = false

  constructor(bus: BusFile) {
    this.#bus = bus
    bus.listen(this)
    this.woken()
  }

  woken(): void {
    const dueMs = this.#bus.nextDueMs
    if (this.#closed || this.#moving || dueMs === null) return
    if (this.#timer !== undefined && this.#timerDueMs <= dueMs) return
    this.#timer?.cancel()
    this.#timerDueMs = dueMs
    const pauseLeftMs = Math.min(pauseMs, this.#movedAtMs + pauseMs - this.#bus.clock.monotonicMs())
    const delayMs = Math.min(sleepMsMax, Math.max(0, pauseLeftMs, dueMs - this.#bus.clock.nowMs()))
    this.#timer = this.#bus.clock.setTimer(delayMs, () => {
      this.#timer = undefined
      void this.#move()
    })
  }

  changed(): void {}

  async #move(): Promise<void> {
    if (this.#closed || this.#moving) return
    this.#moving = true
    const bus = this.#bus
    try {
      const nowMs = bus.clock.nowMs()
      // Read first: another process may have moved them, and a look costs no lock.
      if (bus.db.get('SELECT 1 FROM delayed WHERE due_at_ms <= ? LIMIT 1', nowMs) !== undefined) {
        let moved = 0
        await bus.writer.write(
          (db, seq) => {
            moved = moveDue(db, bus.clock.nowMs(), batchCount, seq, bus.path)
          },
          { announce: true },
        )
        // A full batch: more of them are late already.
        if (moved < batchCount) this.#movedAtMs = bus.clock.monotonicMs()
      }
      bus.look()
    } catch (error) {
      bus.report('warn', `delayed messages could not be moved: ${error instanceof Error ? error.message : String(error)}`)
      this.#timer = bus.clock.setTimer(1000, () => {
        this.#timer = undefined
        void this.#move()
      })
    } finally {
      this.#moving = false
    }
    this.woken()
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#bus.unlisten(this)
  }
}
