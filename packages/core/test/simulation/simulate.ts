/** One run: everything about it follows from the seed. */
import { LaneMachine } from '../../src/endpoint/lane/index.ts'
import { retryPolicy } from '../../src/policy/index.ts'
import { Broker } from './broker.ts'
import { breakThings, faultsMs, produce, settleDown } from './course.ts'
import { Judge } from './judge.ts'
import { Member } from './member.ts'
import { World } from './world.ts'

/** What a run came to. */
export interface SimulationResult {
  readonly seed: number
  readonly violations: readonly string[]
  readonly trace: readonly string[]
  readonly starts: number
  readonly messages: number
}

/** The machine under test, or a damaged copy of it. */
export type MachineClass = typeof LaneMachine

// Wall clocks jump back by an hour at a time, and what is due then waits for it.
const drainMsMax = 30 * 86_400_000
const stepsMax = 60_000

/** Runs one seed. */
export function simulate(seed: number, traced = false, Machine: MachineClass = LaneMachine): SimulationResult {
  const world = new World(seed, traced)
  const order = world.pick(['key', 'key', 'key', 'key', 'channel', 'none'] as const) ?? 'key'
  const windowCount = world.pick([1, 2, 4, 8, 16, 40]) ?? 8
  const concurrency = world.between(1, 4)
  const many = world.chance(0.2)
  const clockJumps = world.chance(0.3)
  const policy = retryPolicy({ attempts: world.between(1, 4), minDelayMs: world.between(0, 60), maxDelayMs: 400 })
  const faultRate = world.pick([0, 1, 1, 3]) ?? 1
  const onDeadLetter = world.chance(0.6) ? 'park' : 'continue'
  const holdMaxMs = world.pick([0, 30, 100, 1_000]) ?? 30
  const lot = world.chance(0.95) || faultRate > 0
  const broker = new Broker<Member>(world, { partitions: order === 'channel' ? 1 : world.between(1, 3), sharedUnkeyed: world.chance(0.4), order, windowCount })
  const judge = new Judge(world, broker, { order, attempts: policy.attempts, windowCount: lot ? windowCount : 8 * windowCount, concurrency, many, clockJumps })
  const endMs = world.nowMs + faultsMs
  const faults = (): boolean => world.nowMs < endMs
  const options = {
    concurrency,
    windowCount,
    policy,
    many,
    handlerMsMax: world.pick([3, 20, 120]) ?? 20,
    failShare: world.pick([0, 0.1, 0.5]) ?? 0.1,
    retryAfterShare: world.pick([0, 0.1]) ?? 0,
    rejectShare: world.pick([0, 0.05]) ?? 0,
    foreignShare: world.pick([0, 0.1]) ?? 0,
    requestFailShare: faultRate === 0 ? 0 : (world.pick([0, 0.1, 0.3]) ?? 0),
    settleFailShare: faultRate === 0 ? 0 : (world.pick([0, 0.05]) ?? 0),
  }
  world.log(
    () =>
      `order ${order}, window ${windowCount}, concurrency ${concurrency}, many ${many}, ${onDeadLetter}, hold ${holdMaxMs} ms, lot ${lot}, attempts ${policy.attempts}, ${JSON.stringify(options)}`,
  )
  let names = 0
  const join = (): void => {
    const machine = new Machine<string>(
      { order, onDeadLetter: lot ? onDeadLetter : 'continue', holdMaxMs, windowCount, lot, attemptsOf: () => policy.attempts },
      () => 'r',
    )
    broker.members.push(new Member(`member${++names}`, machine, world, broker, judge, options, faults))
    broker.assignFree()
  }
  for (let i = world.between(1, 3); i > 0; i--) join()
  produce(world, broker, endMs)
  if (faultRate > 0) breakThings(world, broker, join, faultRate, clockJumps)
  let steps = 0
  while (world.step(endMs) && world.violations.length === 0 && ++steps < stepsMax);
  world.nowMs = Math.max(world.nowMs, endMs)
  world.log(() => 'faults end')
  if (broker.live.every((member) => member.leaving)) join()
  settleDown(world, broker)
  while (world.violations.length === 0 && ++steps < stepsMax && world.step(endMs + drainMsMax));
  if (world.violations.length === 0) judge.final(steps < stepsMax)
  if (world.violations.length === 0) judge.finalMachines(broker.live)
  return { seed, violations: world.violations, trace: world.trace ?? [], starts: judge.starts, messages: broker.copies.length }
}
