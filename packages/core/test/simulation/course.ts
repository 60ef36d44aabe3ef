/** The course of a run, the same for the bare machine and for the dispatcher: what is sent, what breaks, how it ends. */
import type { Broker } from './broker.ts'
import type { SimMember } from './model.ts'
import type { World } from './world.ts'

/** How long things break, simulated ms. */
export const faultsMs = 2_500

/** Messages come in bursts; some are sent twice, some can never be handled. */
export function produce(world: World, broker: Broker<SimMember>, endMs: number): void {
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
export function breakThings(world: World, broker: Broker<SimMember>, join: () => void, rate: number, clockJumps: boolean): void {
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

function die(world: World, broker: Broker<SimMember>): void {
  const member = world.pick(broker.live)
  if (member === undefined) return
  member.kill()
  world.after(world.between(1, 200), () => broker.forget(member, true))
}

function settleDeadLetter(world: World, broker: Broker<SimMember>): void {
  if (broker.dead.length === 0) return
  const index = world.between(0, broker.dead.length - 1)
  world.log(() => `an operator settles dead letter ${index}`)
  if (world.chance(0.5)) broker.redrive(index)
  else broker.discard(index)
}

/** After the faults: what is parked is let go in some runs, one dead letter after the other. */
export function settleDown(world: World, broker: Broker<SimMember>): void {
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
