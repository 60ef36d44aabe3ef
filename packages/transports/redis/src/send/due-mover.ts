import type { Timer } from '@sluice/core/transport'
import { toSluice } from '../errors.ts'
import type { RedisBus } from '../redis-bus.ts'
import { ConnectionEnded } from '../resp/connection.ts'

/** A channel that is looked after is asked at least this often: another's delayed message may be due before ours, ms. */
const lookMsMax = 1_000

/** Moves delayed messages to the log when they are due, for the channels that this process consumes or has sent delays to. */
export class DueMover {
  readonly #bus: RedisBus
  readonly #channels: Map<string, { timer: Timer | undefined; dueMs: number; moving: boolean; keep: () => boolean }> = new Map()
  #closed = false

  constructor(bus: RedisBus) {
    this.#bus = bus
  }

  /** A message of this process is due then: it is moved on time while the process lives. */
  sent(channel: string, dueMs: number): void {
    const watched = this.#watched(channel, () => false)
    if (dueMs < watched.dueMs) this.#arm(channel, dueMs)
  }

  /** Looks after a channel for as long as `keep` says so. */
  watch(channel: string, keep: () => boolean): void {
    this.#watched(channel, keep).keep = keep
    void this.#move(channel)
  }

  close(): void {
    this.#closed = true
    for (const { timer } of this.#channels.values()) timer?.cancel()
    this.#channels.clear()
  }

  #watched(channel: string, keep: () => boolean): { timer: Timer | undefined; dueMs: number; moving: boolean; keep: () => boolean } {
    let watched = this.#channels.get(channel)
    if (watched === undefined) {
      watched = { timer: undefined, dueMs: Number.POSITIVE_INFINITY, moving: false, keep }
      this.#channels.set(channel, watched)
    }
    return watched
  }

  #arm(channel: string, dueMs: number): void {
    const watched = this.#channels.get(channel)
    if (watched === undefined || this.#closed) return
    watched.timer?.cancel()
    watched.dueMs = dueMs
    const waitMs = Math.max(0, Math.min(lookMsMax, dueMs - this.#bus.clock.nowMs()))
    watched.timer = this.#bus.clock.setTimer(waitMs, () => void this.#move(channel))
  }

  async #move(channel: string): Promise<void> {
    const watched = this.#channels.get(channel)
    if (watched === undefined || watched.moving || this.#closed) return
    watched.moving = true
    let nextMs = Number.POSITIVE_INFINITY
    try {
      for (;;) {
        const [moved, next, nowMs] = (await this.#bus.link.run('due', this.#bus.key(channel))) as readonly [number, string, number]
        if (Number(next) >= 0) nextMs = this.#bus.clock.nowMs() + Math.max(1, Number(next) - nowMs)
        if (moved === 0 || Number(next) < 0 || Number(next) > nowMs) break
      }
    } catch (error) {
      nextMs = this.#bus.clock.nowMs() + lookMsMax
      if (!this.#closed && !(error instanceof ConnectionEnded)) {
        const known = toSluice(error, 'moving delayed messages')
        this.#bus.report('warn', `channel ${channel}: delayed messages cannot be moved: ${known.message}`, known)
      }
    } finally {
      watched.moving = false
    }
    if (this.#closed) return
    if (nextMs === Number.POSITIVE_INFINITY && !watched.keep()) {
      watched.timer?.cancel()
      this.#channels.delete(channel)
    } else this.#arm(channel, nextMs)
  }
}
