/**
 * Sends what waits in `to_send`, in order, and forgets it after the durable confirm. It runs in the process that owns
 * the file. When sending fails, everything that is not confirmed is sent again under the same ids; the bus keeps later
 * messages of a failed key back (NOT_SENT), so order holds.
 */
import type { Bus, CommandContract, EventContract } from 'sluice'
import type { BusinessFile, OutgoingRow } from './business-file.ts'

/** How to find a contract by the name that a row carries. */
export type FindContract = (name: string) => EventContract | CommandContract

const rowsAtOnce = 1_000
const retryDelayMs = 250

/** See the head of this file. */
export class Relay {
  readonly #bus: Bus
  readonly #file: BusinessFile
  readonly #find: FindContract
  readonly #sent: (contractName: string, count: number) => void
  readonly #complain: (error: unknown) => void
  #running: Promise<void> | undefined
  #again = false
  #stopped = false

  constructor(bus: Bus, file: BusinessFile, find: FindContract, sent: (contractName: string, count: number) => void, complain: (error: unknown) => void) {
    this.#bus = bus
    this.#file = file
    this.#find = find
    this.#sent = sent
    this.#complain = complain
  }

  /** There may be something to send. */
  wake(): void {
    this.#again = true
    if (!this.#stopped) this.#running ??= this.#run()
  }

  /** Sends what is there, within `deadlineMs`, then stops. What is left is sent by the next process on this file. */
  async stop(deadlineMs: number): Promise<void> {
    const deadline = Date.now() + deadlineMs
    while (this.#file.toSendCount > 0 && Date.now() < deadline) {
      this.wake()
      await Promise.race([this.#running, pause(deadline - Date.now())])
    }
    this.#stopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false
      // One turn of the loop lets the effects of messages that were booked together leave together.
      await pause(0)
      try {
        while (!this.#stopped && (await this.#sendSome())) await undefined
      } catch (error) {
        this.#complain(error)
        this.#again = true
        await pause(retryDelayMs)
      }
    }
    this.#running = undefined
    if (this.#again) this.wake()
  }

  // Returns whether there may be more.
  async #sendSome(): Promise<boolean> {
    const rows = this.#file.nextToSend(rowsAtOnce)
    if (rows.length === 0) return false
    const messages = rows.filter((row) => !row.callOff)
    // Runs of one contract overlap: calls are made in order, which is what the bus promises to keep.
    const outcomes = await Promise.allSettled(runsOf(messages, this.#find).map((run) => this.#sendRun(run)))
    const failure = outcomes.find((outcome) => outcome.status === 'rejected')
    const confirmed = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []))
    if (failure === undefined) {
      for (const row of rows.filter((each) => each.callOff)) {
        await this.#bus.cancel(this.#find(row.contract), row.id)
        confirmed.push(row.seq)
      }
    }
    this.#file.sent(confirmed)
    if (failure !== undefined) throw failure.reason
    return rows.length === rowsAtOnce || this.#file.toSendCount > 0
  }

  async #sendRun(run: readonly OutgoingRow[]): Promise<readonly number[]> {
    const contract = this.#find((run[0] as OutgoingRow).contract)
    const entries = run.map((row) => ({ data: row.data, id: row.id, ...(row.dueAtMs > 0 ? { at: row.dueAtMs } : {}) }))
    if (contract.kind === 'event') await this.#bus.publishMany(contract, entries)
    else await this.#bus.sendMany(contract, entries)
    this.#sent(contract.name, run.length)
    return run.map((row) => row.seq)
  }
}

// Order matters within a channel only; there, neighbours of one contract go in one call.
function runsOf(rows: readonly OutgoingRow[], find: FindContract): readonly (readonly OutgoingRow[])[] {
  const runs: OutgoingRow[][] = []
  const lastOf = new Map<string, OutgoingRow[]>()
  for (const row of rows) {
    const { channel } = find(row.contract)
    const last = lastOf.get(channel)
    if (last?.[0]?.contract === row.contract) last.push(row)
    else {
      const run = [row]
      runs.push(run)
      lastOf.set(channel, run)
    }
  }
  return runs
}

function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => (delayMs > 0 ? setTimeout(resolve, delayMs) : setImmediate(resolve)))
}
