import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { seededRandom } from '@sluice/core/transport'
import { HistoryRecorder, readHistory } from '../../history/index.ts'
import type { ActorPlace, ActorRole, DrainStatus } from './actor-order.ts'
import type { ActorPool, ActorProcess } from './actor-pool.ts'
import { judge, type Verdict } from './judge.ts'
import type { FaultPlan, TorturePlan } from './plan.ts'

/** What a run came to, and what was done in it. */
export interface RunResult extends Verdict {
  readonly kills: number
  readonly freezes: number
  readonly otherFaults: number
  /** Of a run that failed: where its history, plan and place are kept. */
  readonly kept?: string
  /** What left a process, or the drain, unfinished. */
  readonly troubles: readonly string[]
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
/** A starved machine drains slowly, but there is always less left than ever before, within this time. */
const drainStepMaxMs = 60_000

const incarnationsMax = 60

interface Part {
  readonly proc: string
  readonly role: ActorRole
  readonly actor: ActorProcess
  clockMs: number
  frozen: boolean
  ended: boolean
}

/** One run: processes on one place, faults as planned, a full drain, and the judge. */
export class TortureRun {
  readonly #plan: TorturePlan
  readonly #pool: ActorPool
  readonly #parts: Part[] = []
  readonly #troubles: string[] = []
  readonly #untamper: (() => void)[] = []
  #place: ActorPlace
  #folder = ''
  #recorder: HistoryRecorder | undefined
  #incarnations = 0
  #over = false
  #draining = false
  /** How far ahead somebody's clock ever was: what was said to be due then is waited for. */
  #aheadMs = 0
  #kills = 0
  #freezes = 0
  #otherFaults = 0

  constructor(plan: TorturePlan, place: ActorPlace, pool: ActorPool) {
    this.#plan = plan
    this.#place = place
    this.#pool = pool
  }

  async run(): Promise<RunResult> {
    this.#folder = await mkdtemp(join(tmpdir(), `sluice-torture-${this.#plan.seed}-`))
    const history = join(this.#folder, 'history.jsonl')
    this.#recorder = new HistoryRecorder(history, 'judge')
    const place = { ...this.#place, url: this.#place.url.replace('{folder}', this.#folder) }
    this.#place = place
    let drained = false
    try {
      const operator = await this.#start({ part: 'operator' }, 'operator')
      const members = this.#plan.groups.flatMap(({ members: count }, group) =>
        Array.from({ length: count }, () => ({ part: 'consumer' as const, group, calm: false })),
      )
      const producers = this.#plan.producers.map((_, producer) => ({ part: 'producer' as const, producer }))
      await Promise.all([...members, ...producers].map((role) => this.#start(role)))
      await this.#suffer(operator)
      drained = await this.#drain(operator)
    } finally {
      this.#over = true
      for (const part of this.#parts) await this.#end(part)
      this.#recorder.close()
    }
    const verdict = judge(readHistory(history), this.#plan, drained)
    const failed = verdict.violations.length > 0 || this.#troubles.length > 0
    if (failed) {
      await writeFile(join(this.#folder, 'plan.json'), JSON.stringify(this.#plan, null, 1))
      await writeFile(join(this.#folder, 'verdict.json'), JSON.stringify({ ...verdict, troubles: this.#troubles }, null, 1))
    } else await rm(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    return {
      ...verdict,
      kills: this.#kills,
      freezes: this.#freezes,
      otherFaults: this.#otherFaults,
      troubles: this.#troubles,
      ...(failed ? { kept: this.#folder } : {}),
    }
  }

  async #start(role: ActorRole, name?: string, clockMs = 0): Promise<Part> {
    const proc = name ?? `${role.part === 'consumer' ? `c${role.group}` : 'p'}-${++this.#incarnations}`
    const part: Part = { proc, role, actor: this.#pool.take(), clockMs, frozen: false, ended: false }
    this.#parts.push(part)
    void part.actor.exited.then(() => this.#died(part))
    await part.actor.play({ kind: 'play', place: this.#place, plan: this.#plan, role, proc, history: join(this.#folder, 'history.jsonl'), clockMs })
    return part
  }

  /** A process is gone: written down, and another takes its part, as a supervisor would see to. */
  #died(part: Part): void {
    if (part.ended) return
    part.ended = true
    this.#kills++
    this.#recorder?.record({ type: 'ok', f: 'fault', fault: 'death', victim: part.proc })
    const { error } = part.actor
    if (error !== undefined && !/now and then|nobody catches this|late/.test(error)) this.#troubles.push(`${part.proc} failed: ${error.slice(0, 600)}`)
    // A supervisor gives up on what dies again and again.
    if (!this.#draining && part.role.part !== 'operator' && this.#incarnations < incarnationsMax)
      void this.#start(part.role, undefined, part.clockMs).catch(() => {})
  }

  get #victims(): Part[] {
    return this.#parts.filter((part) => !part.ended && !part.frozen && part.role.part !== 'operator')
  }

  async #suffer(operator: Part): Promise<void> {
    const startMs = performance.now()
    const random = seededRandom(this.#plan.seed + 1)
    for (const fault of this.#plan.faults) {
      await pause(Math.max(0, fault.atMs - (performance.now() - startMs)))
      await this.#inflict(fault, operator, random())
    }
    await pause(Math.max(0, this.#plan.durationMs - (performance.now() - startMs)))
  }

  async #inflict(fault: FaultPlan, operator: Part, random: number): Promise<void> {
    const victims = this.#victims
    const victim = victims[fault.victim % Math.max(1, victims.length)]
    if (victim === undefined) return
    const { actor } = victim
    switch (fault.kind) {
      case 'kill':
        return actor.signal('SIGKILL')
      case 'kill-all':
        for (const one of victims) one.actor.signal('SIGKILL')
        return
      case 'kill-at-call':
        this.#untamper.push(await actor.tamper(fault.call as string, `signal=SIGKILL:when=${fault.count}`))
        return
      case 'fail-at-call':
        this.#otherFaults++
        this.#untamper.push(await actor.tamper(fault.call as string, `error=${fault.error}:when=${fault.count}`))
        return
      case 'slow-disk':
        this.#otherFaults++
        this.#untamper.push(await actor.tamper('fdatasync,fsync', `delay_enter=${(fault.ms ?? 0) * 1_000}`))
        return
      case 'freeze':
        this.#freezes++
        this.#freeze(victim)
        void pause(fault.ms ?? 0).then(() => this.#thaw(victim))
        return
      case 'stop':
        this.#otherFaults++
        void this.#leave(victim)
        return
      case 'clock':
        this.#otherFaults++
        for (const one of random < 0.5 ? victims : [victim]) {
          one.clockMs += fault.ms ?? 0
          this.#aheadMs = Math.max(this.#aheadMs, one.clockMs)
          one.actor.tell({ kind: 'clock', ms: fault.ms ?? 0 })
        }
        return
      default:
        this.#otherFaults++
        // What it answers (a replay that is refused, a group that is busy) is no matter: nothing may be lost by it.
        void operator.actor.operate(fault.kind, random)
        if (fault.kind === 'pause') void pause(fault.ms ?? 0).then(() => operator.actor.operate('resume', random))
    }
  }

  #freeze(victim: Part): void {
    victim.frozen = true
    this.#recorder?.record({ type: 'ok', f: 'fault', fault: 'freeze', victim: victim.proc })
    victim.actor.signal('SIGSTOP')
  }

  #thaw(victim: Part): void {
    if (!victim.frozen) return
    victim.frozen = false
    this.#recorder?.record({ type: 'ok', f: 'fault', fault: 'lease-expired', victim: victim.proc })
    victim.actor.signal('SIGCONT')
  }

  /** A member leaves in order, and another comes. */
  async #leave(victim: Part): Promise<void> {
    await this.#end(victim)
    if (!this.#draining) await this.#start(victim.role, undefined, victim.clockMs)
  }

  async #drain(operator: Part): Promise<boolean> {
    this.#draining = true
    for (const end of this.#untamper) end()
    for (const part of this.#parts) this.#thaw(part)
    await operator.actor.operate('resume', 0)
    await operator.actor.operate('resume', 0.99)
    for (const part of this.#parts) if (!part.ended) part.actor.tell({ kind: 'calm' })
    const rightMs = this.#aheadMs === 0 ? 0 : this.#aheadMs + 3_600_000
    if (this.#plan.killBeforeDrain) for (const part of this.#victims) this.#kill(part)
    let producing = 0
    // Also who took a dead one's part at this very moment: what it sends after the drain nobody would handle.
    const endProducers = (): void => {
      for (const part of this.#parts) {
        if (part.ended || part.role.part !== 'producer') continue
        producing++
        void this.#end(part).then(() => producing--)
      }
    }
    endProducers()
    // Clocks that are behind are put right, and whoever waits for a time of day notices.
    for (const part of this.#parts) {
      if (part.ended || part.role.part !== 'consumer' || part.clockMs >= this.#aheadMs) continue
      part.actor.tell({ kind: 'clock', ms: rightMs - part.clockMs })
      part.clockMs = rightMs
    }
    // Whoever the run left dead or slow: someone healthy is there, whose clock is ahead of whatever time was said.
    await Promise.all(this.#plan.groups.map((_, group) => this.#start({ part: 'consumer', group, calm: true }, undefined, rightMs)))
    let fewest = Number.POSITIVE_INFINITY
    let fewestAtMs = performance.now()
    let status: DrainStatus | undefined
    for (let calm = 0; performance.now() - fewestAtMs < drainStepMaxMs; ) {
      await operator.actor.operate('redrive-all', 0)
      status = (await operator.actor.operate('status', 0))?.status
      const left = status === undefined ? Number.POSITIVE_INFINITY : status.backlog + status.deadLetters + status.scheduled
      if (left < fewest) {
        fewest = left
        fewestAtMs = performance.now()
      }
      endProducers()
      calm = left === 0 && producing === 0 ? calm + 1 : 0
      if (calm === 2) {
        this.#recorder?.record({ type: 'ok', f: 'drained' })
        return true
      }
      await pause(60)
    }
    this.#troubles.push(`not drained: ${status?.text ?? operator.actor.error ?? 'no answer'}`)
    return false
  }

  /** Killed before the drain: nobody takes its part. */
  #kill(part: Part): void {
    part.ended = true
    this.#kills++
    part.actor.signal('SIGKILL')
    // At once: the news of its end comes late where a tracer holds it, and settleFaults puts it behind its last line.
    this.#recorder?.record({ type: 'ok', f: 'fault', fault: 'death', victim: part.proc })
  }

  async #end(part: Part): Promise<void> {
    if (part.ended) return
    part.ended = true
    if (await part.actor.stop()) return this.#pool.give(part.actor)
    if (part.actor.alive) {
      this.#troubles.push(`${part.proc} did not stop: ${part.actor.error ?? 'no word'}`)
      part.actor.signal('SIGKILL')
      await part.actor.exited
    }
    if (!this.#over || part.proc !== 'operator') this.#recorder?.record({ type: 'ok', f: 'fault', fault: 'death', victim: part.proc })
  }
}
