/**
 * Moves delayed messages into the log when they are due. Every process can; one does: who finds that another one was there
 * before looks a little later from then on, and moves only what is late by that much (the other one is gone, or busy).
 */
import type { Timer } from '@sluice/core/transport'
import type { BusFile, BusListener } from '../bus-file.ts'
import { damagedRow } from '../log/envelope-row.ts'
import { type MovedDue, moveDue } from './delayed-rows.ts'

const batchCount = 500
/** A stream of due messages shares commits: without a pause each move found a few, and synced them. One alone does not wait. */
const pauseMs = 5
/** How late messages are before a process moves them that leaves it to another one, ms. */
const standInMs = 20
/** The wall clock may jump: a timer never sleeps past this, ms. */
const sleepMsMax = 10_000

export class DelayMover implements BusListener {
  readonly #bus: BusFile
  #timer: Timer | undefined
  #timerDueMs = Infinity
  #moving = false
  #movedAtMs = -Infinity
  /** 0: this process moves; else it stands in for another one. */
  #lagMs = 0
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
    const delayMs = Math.min(sleepMsMax, Math.max(0, pauseLeftMs, dueMs + this.#lagMs - this.#bus.clock.nowMs()))
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
      // Read first: another process may have moved them, and a look costs no lock.
      if (this.#isDue()) {
        const moved = await this.#moveSome()
        // A full batch: more of them are late already.
        if (moved < batchCount) this.#movedAtMs = bus.clock.monotonicMs()
        this.#lagMs = moved === 0 ? standInMs : 0
      } else if (bus.clock.nowMs() >= this.#timerDueMs) this.#lagMs = standInMs
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

  #isDue(): boolean {
    const { db, clock } = this.#bus
    return db.get('SELECT 1 FROM delayed WHERE due_at_ms <= ? LIMIT 1', clock.nowMs() - this.#lagMs) !== undefined
  }

  async #moveSome(): Promise<number> {
    const bus = this.#bus
    let moved: MovedDue = { count: 0, damaged: [] }
    await bus.writer.write(
      (db, seq) => {
        moved = moveDue(db, bus.clock.nowMs(), batchCount, seq)
      },
      { announce: true },
    )
    for (const id of moved.damaged) {
      const error = damagedRow(`the delayed message ${id}`, bus.path)
      bus.report('error', `${error.message}: it is kept and never delivered; the others go on`, error)
    }
    return moved.count
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
    this.#bus.unlisten(this)
  }
}
