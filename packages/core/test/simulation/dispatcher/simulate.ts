/** One run of the dispatcher's shell; everything about it follows from the seed. */
import { retryPolicy } from '../../../src/policy/index.ts'
import { Broker } from '../broker.ts'
import { breakThings, faultsMs, produce, settleDown } from '../course.ts'
import { Judge } from '../judge.ts'
import type { SimulationResult } from '../simulate.ts'
import { World } from '../world.ts'
import { drained, EventLoop } from './event-loop.ts'
import { ShellMember } from './shell-member.ts'

const drainMsMax = 30 * 86_400_000
const stepsMax = 60_000

/** Runs one seed. */
export async function simulateDispatcher(seed: number, traced = false): Promise<SimulationResult> {
  const world = new World(seed, traced)
  const loop = new EventLoop(world)
  const installed = loop.install()
  try {
    return await runSeed(seed, world, loop)
  } finally {
    installed.restore()
  }
}

async function runSeed(seed: number, world: World, loop: EventLoop): Promise<SimulationResult> {
  const order = world.pick(['key', 'key', 'key', 'key', 'channel', 'none'] as const) ?? 'key'
  const windowCount = world.pick([1, 2, 4, 8, 16, 40]) ?? 8
  const concurrency = world.between(1, 4)
  const batch = world.pick([undefined, undefined, undefined, { size: 3, waitMs: 15, perLane: 'one' }, { size: 3, waitMs: 15, perLane: 'many' }] as const)
  const many = batch !== undefined
  const clockJumps = world.chance(0.2)
  const policy = retryPolicy({ attempts: world.between(1, 4), minDelayMs: world.between(0, 60), maxDelayMs: 400 })
  const faultRate = world.pick([0, 1, 1, 3]) ?? 1
  const lot = world.chance(0.95) || faultRate > 0
  const timeoutMs = world.pick([undefined, undefined, 40])
  const broker = new Broker<ShellMember>(world, {
    partitions: order === 'channel' ? 1 : world.between(1, 3),
    sharedUnkeyed: world.chance(0.4),
    order,
    windowCount,
  })
  const judge = new Judge(world, broker, { order, attempts: policy.attempts, windowCount, concurrency, many, clockJumps })
  const endMs = world.nowMs + faultsMs
  const options = {
    concurrency,
    windowCount,
    order,
    onDeadLetter: world.chance(0.6) ? 'park' : 'continue',
    holdMaxMs: world.pick([0, 30, 100, 1_000]) ?? 30,
    lot,
    policy,
    batch,
    timeoutMs,
    handlerMsMax: world.pick([3, 20, 120]) ?? 20,
    failShare: world.pick([0, 0.1, 0.5]) ?? 0.1,
    retryAfterShare: world.pick([0, 0.1]) ?? 0,
    rejectShare: world.pick([0, 0.05]) ?? 0,
    stubbornShare: timeoutMs === undefined ? 0 : (world.pick([0, 0.05]) ?? 0),
    filterShare: world.pick([0, 0, 0.1]) ?? 0,
    rateLimit: world.chance(0.1) ? { messages: 20, intervalMs: 100 } : undefined,
    requestFailShare: faultRate === 0 ? 0 : (world.pick([0, 0.1, 0.3]) ?? 0),
    settleFailShare: faultRate === 0 ? 0 : (world.pick([0, 0.05]) ?? 0),
  } as const
  world.log(() => `${JSON.stringify(options)}, faults ${faultRate}`)
  let names = 0
  const join = (): void => {
    const member = new ShellMember(`member${++names}`, world, loop, broker, judge, options, () => world.nowMs < endMs)
    broker.members.push(member)
    member.start()
  }
  for (let i = world.between(1, 3); i > 0; i--) join()
  produce(world, broker, endMs)
  if (faultRate > 0) {
    breakThings(world, broker, join, faultRate, clockJumps)
    standStill(world, broker, endMs)
  }
  let steps = 0
  while (world.violations.length === 0 && ++steps < stepsMax && world.step(endMs)) await drained()
  world.nowMs = Math.max(world.nowMs, endMs)
  world.log(() => 'faults end')
  loop.as(undefined, () => undefined)
  for (const member of broker.live) member.pause(false)
  if (broker.live.every((member) => member.leaving)) join()
  if (lot) settleDown(world, broker)
  else broker.assignFree()
  while (world.violations.length === 0 && ++steps < stepsMax && world.step(endMs + drainMsMax)) await drained()
  if (world.violations.length === 0) judge.final(steps < stepsMax)
  if (world.violations.length === 0) for (const member of broker.live) member.final()
  for (const member of broker.live) member.gone = true
  await drained()
  return { seed, violations: world.violations, trace: world.trace ?? [], starts: judge.starts, messages: broker.copies.length }
}

/** Pauses, and freezes that may outlast the lease: then what the frozen member held goes to others. */
function standStill(world: World, broker: Broker<ShellMember>, endMs: number): void {
  const again = (meanMs: number, fault: (member: ShellMember) => void): void => {
    world.after(world.between(1, 2 * meanMs), () => {
      if (world.nowMs >= endMs) return
      const member = world.pick(broker.live)
      if (member !== undefined) fault(member)
      again(meanMs, fault)
    })
  }
  if (world.chance(0.3)) {
    again(600, (member) => {
      member.pause(true)
      world.after(world.between(1, 200), () => member.pause(false))
    })
  }
  if (world.chance(0.4)) {
    again(800, (member) => {
      const forMs = world.between(10, 4_000)
      member.freeze(forMs)
      if (forMs < 3_000) return
      world.after(3_000, () => {
        for (const partition of broker.partitions.values()) if (partition.owner === member) broker.fence(partition)
      })
    })
  }
}
