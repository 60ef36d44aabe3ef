/** Keeps every channel within its retention, and deduplication windows from piling up: small transactions, now and then. */
import type { Timer } from '@sluice/core/transport'
import type { BusFile } from '../bus-file.ts'
import { channelsToTrim, trimChannel } from './trim.ts'

const everyMs = 1000
const deduplicationsMax = 500

export class RetentionKeeper {
  readonly #bus: BusFile
  #timer: Timer | undefined
  #closed = false

  constructor(bus: BusFile) {
    this.#bus = bus
    this.#arm(everyMs)
  }

  #arm(delayMs: number): void {
    if (!this.#closed) this.#timer = this.#bus.clock.setTimer(delayMs, () => void this.#run())
  }

  async #run(): Promise<void> {
    const bus = this.#bus
    let more = false
    try {
      const nowMs = bus.clock.nowMs()
      const channels = channelsToTrim(bus.db, nowMs)
      const expired = bus.db.get('SELECT 1 FROM deduplication WHERE expires_at_ms <= ? LIMIT 1', nowMs) !== undefined
      if (channels.length > 0 || expired) {
        await bus.writer.write(
          (db) => {
            let removed = 0
            let skipped = false
            for (const channel of channelsToTrim(db, nowMs)) {
              const blocks = trimChannel(db, channel, nowMs)
              removed += blocks
              if (blocks > 0 && channel.retention_keeps === 0) skipped = true
            }
            if (skipped) bus.markChanged(db)
            if (expired)
              removed += db.run(
                'DELETE FROM deduplication WHERE (channel_id, key) IN (SELECT channel_id, key FROM deduplication WHERE expires_at_ms <= ? LIMIT ?)',
                nowMs,
                deduplicationsMax,
              )
            more = removed > 0
          },
          { sync: 'soon' },
        )
      }
    } catch {
      // Full, busy or failing: publishing says so; the next round tries again.
    }
    this.#arm(more ? everyMs / 50 : everyMs)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }
}
