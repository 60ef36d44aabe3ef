import type { ManualClock } from '../clock/index.ts'
import type { GroupStatus, TransportAdmin } from '../transport/index.ts'

/** What draining looks at. */
export interface DrainParts {
  readonly admin: TransportAdmin
  /** Moved to its next timer when nothing else is left to wait for; undefined: never moved. */
  readonly clock: ManualClock | undefined
  readonly timeoutMs: number
  /** Handler calls under way. */
  running(): number
  /** Handler calls so far. */
  progress(): number
}

/** Lets everything run that needs no timer: a few turns of the event loop. */
export async function turns(count = 5): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

// Looks without any progress before a backlog is taken to wait for the clock.
const quietLooks = 3

/** Resolves when no consumed group has anything left that it can do. Rejects at the time-out and says what is left. */
export async function drain(parts: DrainParts): Promise<void> {
  const endMs = performance.now() + parts.timeoutMs
  let quiet = 0
  let progress = -1
  for (;;) {
    await turns()
    const busy = await unfinished(parts.admin)
    if (busy.length === 0 && parts.running() === 0) {
      // Handlers that have just ended may have sent something on.
      if (progress === parts.progress()) return
      progress = parts.progress()
      continue
    }
    quiet = progress === parts.progress() && parts.running() === 0 ? quiet + 1 : 0
    progress = parts.progress()
    if (performance.now() > endMs) throw new Error(`not drained within ${parts.timeoutMs} ms: ${describe(busy, parts.running())}`)
    if (parts.running() > 0) await new Promise((resolve) => setTimeout(resolve, 1))
    else if (quiet >= quietLooks && parts.clock === undefined) return
    else if (quiet >= quietLooks) parts.clock?.advance(parts.clock.nextTimerMs ?? 0)
  }
}

/** Consumed groups with more than what is parked behind dead letters, which waits for a person. */
async function unfinished(admin: TransportAdmin): Promise<readonly GroupStatus[]> {
  const result: GroupStatus[] = []
  for (const row of await admin.groups()) {
    if (row.consumers === 0 || row.paused || (row.backlog === 0 && row.inFlight === 0)) continue
    const letters = row.parkedLanes === 0 ? [] : await admin.deadLetters(row.channel, row.group, {})
    const parked = letters.reduce((sum, letter) => sum + letter.parkedBehind, 0)
    if (row.inFlight > 0 || row.backlog > parked) result.push(row)
  }
  return result
}

function describe(rows: readonly GroupStatus[], running: number): string {
  const groups = rows.map((row) => `${row.backlog} waiting and ${row.inFlight} in flight in group ${row.group} of channel ${row.channel}`)
  return [...groups, ...(running > 0 ? [`${running} handlers still run`] : [])].join('; ')
}
