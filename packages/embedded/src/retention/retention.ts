/**
 * Keeps every channel within its retention, and deduplication windows from piling up: small transactions, now and then.
 * Processes that died are removed here, too, also by a process that consumes nothing: their ephemeral groups would keep
 * the log from being trimmed.
 */
import type { Timer } from '@sluice/core/transport'
import type { BusFile } from '../bus-file.ts'
import { dropAbandonedGroups } from '../group/declare.ts'
import type { ProcessLease } from '../lease/process-lease.ts'
import { channelsToTrim, trimChannel } from './trim.ts'

const everyMs = 1000
const deduplicationsMax = 500

export class RetentionKeeper {
  readonly #bus: BusFile
  readonly #lease: ProcessLease
  #timer: Timer | undefined
  #closed = false

  constructor(bus: BusFile, lease: ProcessLease) {
    this.#bus = bus
    this.#lease = lease
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
      const gone = this.#lease.gone()
      if (channels.length > 0 || expired || gone.length > 0) {
        await bus.writer.write(
          (db) => {
            let removed = 0
            if (gone.length > 0) {
              dropAbandonedGroups(db, this.#lease.expire(db, gone))
              bus.markChanged(db)
            }
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
          { sync: 'soon', announce: gone.length > 0 },
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
