/** One run: everything about it follows from the seed. */
import { LaneMachine } from '../../src/endpoint/lane/index.ts'
import { retryPolicy } from '../../src/policy/index.ts'
import { Broker } from './broker.ts'
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

const faultsMs = 2_500
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
  return { seed, violations: world.violations, trace: world.trace ?? [], starts: judge.starts, messages: broker.copies.length }
}

/** Messages come in bursts; some are sent twice, some can never be handled. */
function produce(world: World, broker: Broker<Member>, endMs: number): void {
  const keys = ['a', 'b', 'c', 'd', 'e'].slice(0, world.between(1, 5))
  const unkeyedShare = world.pick([0, 0.1, 0.5]) ?? 0
  const poisonShare = world.pick([0, 0, 0.05]) ?? 0
  const resendShare = world.pick([0, 0.1]) ?? 0
  let left = world.between(5, 60)
  const burst = (): void => {
    for (let size = Math.min(left, world.between(1, 12)); size > 0; size--) {
      left--
      const key = world.chance(unkeyedShare) ? undefined : world.pick(keys)
      const id = `m${left}`
      broker.append(key, id, world.chance(poisonShare))
      if (world.chance(resendShare)) broker.append(key, id, false)
    }
    if (left > 0) world.after(world.between(0, Math.min(400, Math.max(0, endMs - world.nowMs))), burst)
  }
  burst()
}

/** Deaths, hand-overs, lost leases, redrives, clock jumps: each again and again until the faults end. */
function breakThings(world: World, broker: Broker<Member>, join: () => void, rate: number, clockJumps: boolean): void {
  const endMs = world.nowMs + faultsMs
  const again = (meanMs: number, fault: () => void): void => {
    world.after(world.between(1, (2 * meanMs) / rate), () => {
      if (world.nowMs >= endMs) return
      fault()
      again(meanMs, fault)
    })
  }
  const somePartition = () => world.pick([...broker.partitions.values()])
  if (world.chance(0.6)) again(500, () => die(world, broker))
  if (world.chance(0.6)) again(500, () => broker.live.length < 4 && join())
  if (world.chance(0.4)) again(700, () => world.pick(broker.live)?.leave(world.between(0, 200)))
  if (world.chance(0.6)) {
    again(300, () => {
      const partition = somePartition()
      if (partition !== undefined) broker.revoke(partition)
    })
  }
  if (world.chance(0.6)) {
    again(500, () => {
      const partition = somePartition()
      if (partition !== undefined) broker.fence(partition)
    })
  }
  if (world.chance(0.4)) {
    again(500, () => {
      const member = world.pick(broker.live)
      if (member !== undefined) broker.loseDeliveries(member)
    })
  }
  if (world.chance(0.7)) again(400, () => settleDeadLetter(world, broker))
  if (clockJumps) {
    again(600, () => {
      world.wallOffsetMs += world.pick([-3_600_000, -500, 500, 86_400_000]) ?? 0
      world.log(() => `wall clock jumps to ${world.wallMs}`)
    })
  }
}

function die(world: World, broker: Broker<Member>): void {
  const member = world.pick(broker.live)
  if (member === undefined) return
  member.kill()
  world.after(world.between(1, 200), () => broker.forget(member, true))
}

function settleDeadLetter(world: World, broker: Broker<Member>): void {
  if (broker.dead.length === 0) return
  const index = world.between(0, broker.dead.length - 1)
  world.log(() => `an operator settles dead letter ${index}`)
  if (world.chance(0.5)) broker.redrive(index)
  else broker.discard(index)
}

/** After the faults: what is parked is let go in some runs, one dead letter after the other. */
function settleDown(world: World, broker: Broker<Member>): void {
  broker.assignFree()
  broker.pump()
  if (!world.chance(0.7)) return
  let left = 3 * broker.copies.length
  const next = (): void => {
    if (broker.dead.length > 0 && left-- > 0) {
      if (world.chance(0.5)) broker.redrive(world.between(0, broker.dead.length - 1))
      else broker.discard(world.between(0, broker.dead.length - 1))
      world.after(world.between(1, 300), next)
    }
  }
  world.after(2_000, next)
}
