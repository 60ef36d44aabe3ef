import type { ActorPlace } from './actor-order.ts'
import { ActorPool } from './actor-pool.ts'
import { type PlaceAbilities, type TorturePlan, type TortureProfile, torturePlan } from './plan.ts'
import { type RunResult, TortureRun } from './run.ts'

/** What a swarm of crash runs is told. */
export interface SwarmOptions {
  /** Where a run takes place. */
  readonly place: (plan: TorturePlan) => ActorPlace
  readonly able: PlaceAbilities
  /** Of the first run; the others follow. */
  readonly seed: number
  readonly runs: number
  readonly minutes: number
  /** Runs at once. */
  readonly parallel: number
  readonly profile: TortureProfile
  /** One failing run is enough. */
  readonly untilFailure: boolean
  readonly say: (line: string) => void
  /** The command that replays a seed. */
  readonly command: (seed: number) => string
}

/** Sums over all runs. */
export interface SwarmTotals {
  runs: number
  failed: number
  kills: number
  freezes: number
  otherFaults: number
  confirmed: number
  handled: number
  redelivered: number
  lost: number
  outOfOrder: number
  doubledAfterAccept: number
  readonly failedSeeds: number[]
}

/** Crash runs, one seed after another, until their number or the time is used up. */
export async function torture(options: SwarmOptions): Promise<SwarmTotals> {
  const totals: SwarmTotals = {
    runs: 0,
    failed: 0,
    kills: 0,
    freezes: 0,
    otherFaults: 0,
    confirmed: 0,
    handled: 0,
    redelivered: 0,
    lost: 0,
    outOfOrder: 0,
    doubledAfterAccept: 0,
    failedSeeds: [],
  }
  const endMs = performance.now() + options.minutes * 60_000
  let next = options.seed
  const lane = async (): Promise<void> => {
    const pool = new ActorPool()
    while (next < options.seed + options.runs && performance.now() < endMs && !(options.untilFailure && totals.failed > 0)) {
      const seed = next++
      const plan = torturePlan(seed, options.able, options.profile)
      const result = await new TortureRun(plan, options.place(plan), pool).run()
      add(totals, result, seed)
      if (result.kept !== undefined) explain(options, seed, result)
      else if (totals.runs % 50 === 0) options.say(summary(totals))
    }
    await pool.close()
  }
  await Promise.all(Array.from({ length: options.parallel }, lane))
  return totals
}

function add(totals: SwarmTotals, result: RunResult, seed: number): void {
  totals.runs++
  for (const name of ['kills', 'freezes', 'otherFaults', 'confirmed', 'handled', 'redelivered', 'lost', 'outOfOrder', 'doubledAfterAccept'] as const)
    totals[name] += result[name]
  if (result.kept === undefined) return
  totals.failed++
  totals.failedSeeds.push(seed)
}

function explain({ say, command }: SwarmOptions, seed: number, { violations, troubles, kept }: RunResult): void {
  say(`FAILED seed ${seed}: ${command(seed)}`)
  for (const { invariant, message, at, id, group } of violations.slice(0, 5)) say(`  ${invariant} ${message} (line ${at}, ${group ?? ''} ${id ?? ''})`)
  if (violations.length > 5) say(`  and ${violations.length - 5} more`)
  for (const trouble of troubles.slice(0, 3)) say(`  ${trouble}`)
  say(`  kept: ${kept}`)
}

/** One line, with the bound that so many runs without a failure allow to state. */
export function summary(totals: SwarmTotals): string {
  const { runs, failed, kills, freezes, otherFaults, confirmed, handled, redelivered, lost, outOfOrder, doubledAfterAccept } = totals
  const bound = failed === 0 ? `; the rate of such a failure is below ${(3 / Math.max(1, runs)).toPrecision(2)} a run (95%)` : ''
  return (
    `${runs} runs, ${failed} failed, ${kills} deaths, ${freezes} freezes, ${otherFaults} other faults, ${confirmed} confirmed, ${handled} deliveries, ` +
    `${redelivered} redelivered: ${lost} lost, ${outOfOrder} out of order, ${doubledAfterAccept} doubled after accept${bound}`
  )
}
