/** What must hold in every run: order, completeness, bounded attempts, no overlap, bounded memory, no deadlock. */
import type { LaneEntry, LaneRequest, Verdict } from '../../src/endpoint/lane/index.ts'
import type { Broker } from './broker.ts'
import type { Copy, SimDelivery, SimMachineMember, SimMember } from './model.ts'
import type { World } from './world.ts'

type Entry = LaneEntry<string>

/** What the judge has to know of a run. */
export interface JudgeOptions {
  readonly order: 'key' | 'channel' | 'none'
  readonly attempts: number
  readonly windowCount: number
  readonly concurrency: number
  readonly many: boolean
  /** Due times can be checked only while the wall clock is steady. */
  readonly clockJumps: boolean
}

/** See the header of this file. */
export class Judge {
  readonly #world: World
  readonly #broker: Broker
  readonly #options: JudgeOptions
  readonly #requests: Map<SimMember, Set<LaneRequest<string>>> = new Map()
  starts = 0

  constructor(world: World, broker: Broker, options: JudgeOptions) {
    this.#world = world
    this.#broker = broker
    this.#options = options
  }

  /** A handler begins. */
  started(member: SimMember, entry: Entry, run: readonly Entry[]): void {
    this.starts++
    const delivery = entry.delivery as SimDelivery
    const { copy } = delivery
    this.#world.log(() => `${member.name} starts ${copy.index} (${copy.key ?? '-'}) attempt ${entry.attempt}${delivery.fromLot ? ' from the lot' : ''}`)
    const lane = this.#laneOf(copy)
    if (lane !== undefined) {
      if (copy.begins === 0) this.#checkOrder(copy, lane, run)
      this.#checkOverlap(member, entry, lane, run)
    }
    if (!this.#options.clockJumps && this.#world.nowMs < copy.waitUntilMs)
      this.#world.violation(`message ${copy.index} started ${copy.waitUntilMs - this.#world.nowMs} ms before it is due`)
    if (delivery.suspect && !delivery.begun && delivery.state === 'held' && copy.attempt < entry.attempt)
      this.#world.violation(`suspect message ${copy.index} started before its attempt was durable`)
    for (const other of member.running)
      if (entry.isolated && other.isolated) this.#world.violation(`${member.name} runs two suspects on their last attempt at once`)
    delivery.begun = true
    copy.begins++
    const bound = this.#options.attempts * (1 + copy.redrives) + copy.excused
    if (copy.begins > bound) this.#world.violation(`message ${copy.index} began ${copy.begins} times, more than ${bound}`)
  }

  /** A handler has ended; `putBack`: its outcome does not count. */
  ended(member: SimMember, entry: Entry, verdict: Verdict): void {
    const { copy, state } = entry.delivery as SimDelivery
    this.#world.log(
      () => `${member.name} ends ${copy.index}: ${verdict.kind}${verdict.kind === 'retry' ? ` in ${verdict.delayMs} ms` : ''}${entry.lost ? ' (lost)' : ''}`,
    )
    if (verdict.kind === 'accept') {
      copy.successes++
      copy.hasOutcome = true
    } else if (verdict.kind === 'putBack' || verdict.kind === 'release') copy.excused++
    else if (verdict.kind === 'retry') {
      if (!verdict.counted) copy.excused++
      if (state === 'held') copy.waitUntilMs = this.#world.nowMs + verdict.delayMs
    }
  }

  /** A request goes out: a lane has one at a time. */
  requested(member: SimMember, request: LaneRequest<string>): void {
    const lanes = this.#requests.get(member) ?? new Set()
    this.#requests.set(member, lanes)
    for (const other of lanes)
      if (other.lane === request.lane && other !== request) this.#world.violation(`${member.name} has two requests of lane ${request.lane.name} under way`)
    lanes.add(request)
  }

  answered(member: SimMember, request: LaneRequest<string>): void {
    this.#requests.get(member)?.delete(request)
  }

  /** After each turn of a member. */
  look(member: SimMachineMember): void {
    const { machine } = member
    const { windowCount, concurrency } = this.#options
    const quarter = Math.max(1, Math.floor(windowCount / 4))
    if (machine.windowCount < 0 || machine.windowCount > windowCount)
      this.#world.violation(`${member.name} has ${machine.windowCount} deliveries in a window of ${windowCount}`)
    if (machine.windowBytes !== machine.windowCount * 10)
      this.#world.violation(`${member.name} counts ${machine.windowBytes} bytes for ${machine.windowCount} deliveries of 10`)
    if (machine.lotWindow < 0 || machine.lotWindow > quarter) this.#world.violation(`${member.name} read ${machine.lotWindow} from the lot, ${quarter} allowed`)
    const held = machine.heldCount
    if (held < 0 || held > quarter + this.#unrecordedHeld(member)) this.#world.violation(`${member.name} holds ${held}, ${quarter} allowed`)
    const callsMax = concurrency * (this.#options.many ? 3 : 1)
    if (machine.runningCount < 0 || machine.runningCount > callsMax) this.#world.violation(`${member.name} runs ${machine.runningCount}, ${callsMax} allowed`)
  }

  /** After the end: everything has ended, and the machines are empty. */
  final(quiet: boolean): void {
    if (!quiet) this.#world.violation('the run does not come to an end')
    for (const copy of this.#broker.copies) {
      if (copy.place === 'done' || copy.place === 'dead') continue
      const parked = copy.place === 'lot' && [...this.#broker.lots.values()].some((lot) => lot.state === 'parked' && lot.copies.includes(copy))
      if (!parked)
        this.#world.violation(`message ${copy.index} (${copy.key ?? '-'}) was never settled: ${copy.place}, held by ${copy.holder?.name ?? 'nobody'}`)
    }
    for (const lot of this.#broker.lots.values()) {
      if (lot.state === 'parked' && !this.#broker.dead.some((letter) => letter.lane === lot.name && letter.mode === 'park'))
        this.#world.violation(`lane ${lot.name} is parked behind nothing`)
    }
  }

  /** After the end, for members that are bare machines. */
  finalMachines(members: readonly SimMachineMember[]): void {
    for (const member of members) {
      const { machine } = member
      if (machine.windowCount !== 0 || machine.lotWindow !== 0 || machine.heldCount !== 0 || machine.runningCount !== 0) {
        this.#world.violation(
          `${member.name} is not empty: window ${machine.windowCount}, lot ${machine.lotWindow}, held ${machine.heldCount}, running ${machine.runningCount}`,
        )
      }
      for (const partition of machine.partitions.values()) {
        for (const lane of partition.allLanes()) if (lane.phase !== 'parked') this.#world.violation(`${member.name} keeps lane ${lane.name} ${lane.phase}`)
      }
    }
  }

  #laneOf(copy: Copy): string | undefined {
    if (this.#options.order === 'channel') return 'channel'
    return this.#options.order === 'key' && copy.key !== undefined ? `key:${copy.key}` : undefined
  }

  /** No later message is first delivered while an earlier one of its lane has no outcome, or a dead letter parks the lane. */
  #checkOrder(copy: Copy, lane: string, run: readonly Entry[]): void {
    if (this.#broker.isParked(lane)) this.#world.violation(`message ${copy.index} started while its lane ${lane} is parked`)
    for (const other of this.#broker.copies) {
      if (other.index >= copy.index) break
      if (other.hasOutcome || this.#laneOf(other) !== lane) continue
      const sameRun = run.some((entry) => (entry.delivery as SimDelivery).copy === other)
      if (!sameRun) this.#world.violation(`message ${copy.index} of ${lane} started before ${other.index} had an outcome`)
    }
  }

  /** In one process never two at once; between processes not while the other's delivery is still its own. */
  #checkOverlap(member: SimMember, entry: Entry, lane: string, run: readonly Entry[]): void {
    for (const other of this.#broker.members) {
      if (other.gone) continue
      for (const running of other.running) {
        const delivery = running.delivery as SimDelivery
        if (running === entry || run.includes(running) || this.#laneOf(delivery.copy) !== lane) continue
        if (other !== member && member.unaware === true && (entry.delivery as SimDelivery).state === 'lost') continue
        if (other === member || delivery.state === 'held')
          this.#world.violation(
            `${member.name} started ${(entry.delivery as SimDelivery).copy.index} of ${lane} while ${other.name} runs ${delivery.copy.index}`,
          )
      }
    }
  }

  /** A lane that is over the bound is suspended as soon as its record is durable; one that is due starts at once. */
  #unrecordedHeld(member: SimMachineMember): number {
    let count = 0
    for (const partition of member.machine.partitions.values()) {
      for (const lane of partition.allLanes()) if (lane.phase === 'held' && (lane.io !== undefined || lane.dueMs <= this.#world.nowMs)) count += lane.queue.size
    }
    return count
  }
}
