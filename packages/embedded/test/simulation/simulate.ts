/** One run: everything about it follows from the seed. */
import { seedUnkeyedHashes } from '../../src/log/unkeyed-hash.ts'
import { EventLoop } from './event-loop.ts'
import { Judge } from './judge.ts'
import { type MachineFaults, SimMachine } from './machine.ts'
import { type GroupPlan, type ProcessPlan, SimProcess } from './process.ts'

/** What a run came to. */
export interface SimulationResult {
  readonly violations: readonly string[]
  readonly trace: readonly string[]
  readonly messages: number
  readonly starts: number
  readonly commits: number
  /** Partitions that got an owner; deaths; starts by a member that had lost its partition. */
  readonly takeovers: number
  readonly deaths: number
  readonly staleStarts: number
}

const faultsMs = 4_000
const drainMsMax = 200_000
const turnsMax = 60_000

function planGroup(loop: EventLoop, name: string): GroupPlan {
  const order = loop.pick(['key', 'key', 'key', 'key', 'channel', 'none'])
  return {
    name,
    order,
    onDeadLetter: loop.pick(['park', 'continue']),
    concurrency: loop.between(1, 6),
    concurrencyScope: loop.chance(0.15) ? 'group' : 'process',
    retry: { attempts: loop.between(1, 4), minDelayMs: loop.between(1, 80), maxDelayMs: 400 },
    handlerMsMax: loop.pick([0, 10, 60, 300]),
    failShare: loop.pick([0, 0.1, 0.4]),
    rejectShare: loop.pick([0, 0.05]),
    retryAfterShare: loop.pick([0, 0.1]),
    batch: loop.chance(0.25) ? { size: loop.between(2, 6), waitMs: loop.pick([0, 20, 100]), perLane: loop.pick(['one', 'many']) } : undefined,
  }
}

function planFaults(loop: EventLoop): MachineFaults {
  const write = loop.pick([0, 0.001, 0.01])
  return {
    busyShare: loop.pick([0, 0.05, 0.2]),
    writeFailShare: write,
    readFailShare: loop.pick([0, 0, 0.002]),
    syncFailShare: loop.pick([0, 0, 0.02]),
    deathShare: loop.pick([0, 0.0005, 0.002]),
    syncMsMax: loop.pick([0.5, 5, 50]),
    bellMsMax: loop.pick([1, 20, 300]),
  }
}

/** Runs one seed. */
export async function simulate(seed: number, traced = false): Promise<SimulationResult> {
  const loop = new EventLoop(seed, traced)
  const installed = loop.install()
  try {
    seedUnkeyedHashes(seed)
    return await new Run(loop).run()
  } finally {
    installed.restore()
  }
}

class Run {
  readonly #loop: EventLoop
  readonly #machine: SimMachine
  readonly #judge: Judge
  readonly #plan: ProcessPlan
  readonly #processes: SimProcess[] = []
  readonly #faults: () => boolean
  readonly #keys: number
  #names = 0
  readonly #jumps: boolean
  #partitions: number

  constructor(loop: EventLoop) {
    this.#loop = loop
    this.#faults = () => loop.nowMs < faultsMs
    const faults = planFaults(loop)
    this.#machine = new SimMachine(loop, () => (this.#faults() ? faults : undefined))
    this.#plan = {
      groups: Array.from({ length: loop.between(1, 2) }, (_, index) => planGroup(loop, `group${index}`)),
      leaseMs: loop.pick([300, 800, 2_000]),
      holdMaxMs: loop.pick([0, 50, 1_000]),
      windowCountMax: loop.pick([1, 4, 16, 64]),
      retentionBytes: loop.pick([1_000, 10_000, 1_000_000]),
      keepForGroups: loop.chance(0.8),
    }
    this.#judge = new Judge(
      loop,
      this.#machine,
      new Map(this.#plan.groups.map((group) => [group.name, { order: group.order, attempts: group.retry.attempts, many: group.batch?.perLane === 'many' }])),
      this.#plan.keepForGroups,
    )
    this.#keys = loop.between(1, 6)
    this.#jumps = loop.chance(0.3)
    this.#partitions = loop.between(1, 3)
    loop.log(() => JSON.stringify({ ...this.#plan, faults }))
  }

  async run(): Promise<SimulationResult> {
    const loop = this.#loop
    for (let i = loop.between(1, 3); i > 0; i--) this.#join()
    this.#produce()
    this.#break()
    const running = (): boolean => loop.nowMs >= faultsMs
    await loop.run(running, turnsMax)
    loop.log(() => 'faults end')
    if (loop.violations.length === 0) await this.#settle()
    if (loop.violations.length === 0) await this.#end()
    for (const process of this.#processes) if (!process.dead) process.die('at the end')
    const { starts, commits, takeovers, staleStarts, messages } = this.#judge
    const deaths = this.#deaths
    return { violations: loop.violations, trace: loop.trace ?? [], messages, starts, commits, takeovers, deaths, staleStarts }
  }

  #deaths = 0

  #join(): SimProcess {
    const loop = this.#loop
    const groups = this.#plan.groups.map(({ name }) => name).filter(() => this.#names < 1 || loop.chance(0.8))
    if (loop.chance(0.15)) this.#partitions = Math.min(8, this.#partitions * 2)
    const process = new SimProcess(`p${++this.#names}`, loop, this.#machine, this.#judge, this.#plan, this.#partitions, this.#faults)
    loop.log(() => `${process.name} is started, for ${groups.join(', ')}, ${this.#partitions} partitions`)
    this.#processes.push(process)
    process.start(groups, this.#names === 1 || loop.chance(0.7))
    return process
  }

  #alive(): SimProcess | undefined {
    return this.#loop.pick(this.#processes.filter((process) => process.running && !process.frozen))
  }

  #produce(): void {
    const loop = this.#loop
    const bursts = loop.between(5, 30)
    const key = (): string | undefined => (loop.chance(0.85) ? `k${loop.between(1, this.#keys)}` : undefined)
    for (let i = 0; i < bursts; i++)
      loop.after(undefined, loop.random() * (faultsMs - 200), () => {
        const delayMs = loop.chance(0.15) ? loop.between(1, 2_000) : 0
        this.#alive()?.publish(loop.pick([1, 1, 2, 5, 20]), key, delayMs)
      })
  }

  /** Deaths, freezes, joins, leaves and what persons ask for, at random times. */
  #break(): void {
    const loop = this.#loop
    const rate = loop.pick([0, 3, 10, 25])
    const act = (): void => {
      if (!this.#faults()) return
      this.#act()
      loop.after(undefined, (loop.random() * 2 * faultsMs) / rate, act)
    }
    if (rate > 0) loop.after(undefined, loop.random() * 500, act)
    const keep = (): void => {
      if (!this.#faults()) return
      if (this.#processes.every((process) => process.dead || process.leaving)) this.#join()
      loop.after(undefined, 300, keep)
    }
    keep()
  }

  #act(): void {
    const loop = this.#loop
    const group = (loop.pick(this.#plan.groups) as GroupPlan).name
    const process = this.#alive()
    switch (loop.pick(['die', 'freeze', 'freeze', 'join', 'leave', 'redrive', 'discard', 'replay', 'purge', 'pause', 'resume', 'inspect', 'jump'])) {
      case 'die':
        process?.die('from outside')
        break
      case 'freeze':
        process?.freeze(loop.pick([5, 100, 500, 1_000, 3_000]))
        break
      case 'join':
        if (this.#processes.filter(({ running }) => running).length < 4) this.#join()
        break
      case 'leave':
        process?.leave()
        break
      case 'redrive':
        process?.administer('redrive', group)
        break
      case 'discard':
        process?.administer('discard', group)
        break
      case 'replay':
        process?.administer('replay', group)
        break
      case 'purge':
        if (loop.chance(0.3)) process?.administer('purge', group)
        break
      case 'pause':
        process?.setPaused(group, true)
        break
      case 'resume':
        process?.setPaused(group, false)
        break
      case 'jump':
        if (this.#jumps) loop.jumpTo(loop.between(-40_000, 40_000))
        break
      case 'inspect':
        process?.inspect()
        break
    }
  }

  /** Nothing breaks any more: everything ends, at first but for what is parked, then that, too. */
  async #settle(): Promise<void> {
    const loop = this.#loop
    const last = new SimProcess('last', loop, this.#machine, this.#judge, this.#plan, this.#partitions, this.#faults)
    this.#processes.push(last)
    last.start(
      this.#plan.groups.map(({ name }) => name),
      true,
    )
    // Whatever waits for its time is due.
    if (this.#jumps) loop.jumpTo(80_000)
    const endMs = loop.nowMs + drainMsMax
    const rested = (): boolean => (last.started && this.#judge.settled) || loop.nowMs > endMs
    await loop.run(() => last.started || loop.nowMs > endMs, turnsMax)
    for (const { name } of this.#plan.groups) last.setPaused(name, false)
    await loop.run(rested, turnsMax)
    if (loop.violations.length === 0 && !this.#judge.settled) this.#judge.unsettled()
    if (loop.violations.length > 0) return
    for (const process of this.#processes) if (!process.dead) process.inspect()
    for (const { name } of this.#plan.groups) last.administer('redrive', name)
    const redrivenMs = loop.nowMs + 1_000
    await loop.run(() => loop.nowMs > redrivenMs, turnsMax)
    await loop.run(rested, turnsMax)
    if (loop.violations.length === 0 && !this.#judge.settled) this.#judge.unsettled()
  }

  async #end(): Promise<void> {
    const loop = this.#loop
    this.#judge.checkFile()
    this.#deaths = this.#processes.filter(({ dead }) => dead).length
    const living = this.#processes.filter(({ dead }) => !dead)
    for (const process of living) process.leave()
    const endMs = loop.nowMs + 10_000
    await loop.run(() => living.every(({ left }) => left) || loop.nowMs > endMs, turnsMax)
    for (const { left, name } of living) if (!left) loop.violation(`${name} never ends its stop`)
    this.#judge.checkFile()
    if (this.#deaths === 0) this.#judge.checkLeft()
  }
}
