/**
 * Who owns which partition. Every member computes the same plan from the same members (rendezvous hashing with bounded
 * load) and acts only on its own behalf: it takes what is free, hands over what another should have, and splits free
 * partitions when the channel asks for more of them. A wrong view costs balance, never order: a partition is taken by one
 * script that compares the epoch it was seen with, and written by scripts that compare owner and epoch.
 */
import { isSluiceError } from '@sluice/core/transport'
import { toSluice } from '../errors.ts'
import { declareChannel, declareGroup } from './declare.ts'
import type { Member } from './member.ts'
import { OwnedPartition } from './partition.ts'
import type { Settlement } from './settlement.ts'
import { type GroupView, lanesOf, type NoView, planOwners, readTaken, readView } from './view.ts'

/** How often the types of this member are announced anew, ms; one that nobody announces for a day is forgotten. */
const announceEveryMs = 3_600_000
/** While the lease cannot be renewed, ms. */
const confirmRetryMs = 100

/** `back`: whatever it shows, all partitions are taken anew. */
type Look = 'look' | 'renew' | 'back'

export class Membership {
  readonly #member: Member
  readonly #settlement: Settlement
  #looking: Promise<void> | undefined
  #again: Look | undefined
  #types: ReadonlyMap<string, number> = new Map()
  #announcedAtMs = Number.NEGATIVE_INFINITY
  #news = 0
  // Partitions to be given up because this member lacks a type found in them.
  readonly #yielding: Map<string, string> = new Map()

  constructor(member: Member, settlement: Settlement) {
    this.#member = member
    this.#settlement = settlement
  }

  get types(): ReadonlyMap<string, number> {
    return this.#types
  }

  /** Creates what is missing, announces this member and takes its first partitions. */
  async join(): Promise<void> {
    const { bus, subscription } = this.#member
    await this.#alone(async () => {
      await declareChannel(bus, { name: subscription.channel, kind: subscription.kind })
      await declareGroup(bus, subscription)
      const view = await this.#tick('join')
      if (typeof view === 'string') throw toSluice(new Error('the group was removed while a member joined'), 'joining')
      this.#news = view.news
      await this.#act(view)
    })
  }

  /** Looks at the group, or renews the lease with it; does what is this member's to do. Resolves after a look that began later than this call. */
  look(mode: Look): Promise<void> {
    if (this.#looking === undefined) return this.#alone(() => this.#lookUntilDone(mode))
    if (this.#again === undefined || this.#again === 'look' || mode === 'back') this.#again = mode
    return this.#looking
  }

  /**
   * Resolves when it is certain what this member holds: within the lease nobody took anything over; beyond it, what was taken
   * over is lost here, too.
   */
  async confirmHeld(): Promise<void> {
    const { bus } = this.#member
    while (this.#member.overdue && !this.#member.closing) {
      await this.look('renew')
      if (this.#member.overdue) await new Promise<void>((resolve) => void bus.clock.setTimer(confirmRetryMs, resolve))
    }
  }

  #alone(work: () => Promise<void>): Promise<void> {
    const running = async (): Promise<void> => {
      try {
        await work()
      } finally {
        this.#looking = undefined
      }
      // Asked for after the last look had begun. During a join only now: before, a member would take itself for removed.
      if (this.#again !== undefined && !this.#member.closing) await this.look(this.#again)
    }
    const looking = running()
    this.#looking = looking
    return looking
  }

  async #lookUntilDone(mode: Look): Promise<void> {
    const member = this.#member
    let next: Look | undefined = mode
    try {
      while (next !== undefined && !member.closing) {
        this.#again = undefined
        const view = next === 'back' ? next : await this.#tick(next)
        if (typeof view === 'string') await this.#rejoin(view)
        else await this.#act(view)
        next = this.#again
      }
    } catch (error) {
      const known = isSluiceError(error) ? error : toSluice(error, 'looking at the group')
      // Without a connection the link says so; it is looked at again when there is one.
      if (!member.closing && member.bus.link.connected) member.bus.report('warn', `${member.title}: partitions could not be balanced: ${known.message}`, known)
    }
  }

  /** The core met a type that another member handles. */
  yield(name: string, type: string): void {
    const partition = this.#member.partitions.get(name)
    if (partition === undefined || partition.state !== 'owned') return
    this.#yielding.set(name, type)
    void this.#revoke(partition)
  }

  /** Gives everything up at once and leaves. */
  async leave(): Promise<void> {
    const { partitions } = this.#member
    await this.#settlement.giveUp([...partitions.values()], () => '', true)
    for (const partition of [...partitions.values()]) this.#member.drop(partition)
  }

  async #tick(mode: 'join' | 'look' | 'renew'): Promise<GroupView | NoView> {
    const member = this.#member
    const { bus, subscription } = member
    const sentAtMs = bus.clock.monotonicMs()
    const announce = mode !== 'look' && sentAtMs - this.#announcedAtMs > announceEveryMs
    const types = JSON.stringify(subscription.types)
    // Whoever joins anew has no writes there yet, or forgets those that the server forgot.
    if (mode === 'join') this.#settlement.answered = 0
    const { answered } = this.#settlement
    const words = [subscription.group, member.id, bus.options.leaseMs, mode, types, member.held, announce ? '1' : '', answered]
    const reply = await bus.link.run('tick', member.key, ...words)
    const view = readView(reply)
    if (typeof view === 'string') return view
    if (announce) this.#announcedAtMs = sentAtMs
    // The lease runs from before the question: what the server counts ends later.
    if (mode !== 'look') {
      member.leaseEndsAtMs = sentAtMs + bus.options.leaseMs
      // Overdue, it handed out nothing.
      member.wake()
    }
    return view
  }

  async #act(view: GroupView): Promise<void> {
    const member = this.#member
    if (member.closing) return
    if (!view.members.has(member.id)) {
      await this.#rejoin('gone')
      return
    }
    this.#refresh(view)
    this.#dropForeign(view)
    if (view.news !== this.#news) {
      this.#news = view.news
      await this.#showLots()
    }
    const wanted = view.order === 'channel' || view.concurrency > 0 ? 1 : view.partitionsWanted
    const growing = view.partitions.some(({ modulus }) => modulus < wanted)
    const plan = planOwners(view)
    // Ours by the server and not in hand: the answer to an earlier take was lost. Of somebody who is not there: he left while
    // his take was under way, and never had it in hand.
    const free = view.partitions.filter(({ name, owner }) => (owner === member.id ? !member.partitions.has(name) : !view.members.has(owner)))
    const take = free.filter(({ name, modulus, owner }) => owner === member.id || (modulus >= wanted && plan.get(name) === member.id))
    const split = free.filter(({ modulus, owner }) => modulus < wanted && owner !== member.id)
    if (take.length > 0 || split.length > 0) await this.#take(take, split)
    if (split.length > 0) this.#again ??= 'look'
    for (const partition of [...member.partitions.values()]) {
      const owner = plan.get(partition.name)
      if (partition.state === 'owned' && ((growing && partition.modulus < wanted) || (owner !== undefined && owner !== member.id))) void this.#revoke(partition)
    }
  }

  #refresh(view: GroupView): void {
    const member = this.#member
    if (view.paused !== member.paused) {
      member.paused = view.paused
      member.observer.paused(view.paused)
      member.wake()
    }
    const types = new Map<string, number>(view.types.map((type) => [type, 0]))
    for (const handled of view.members.values()) for (const type of handled) types.set(type, (types.get(type) ?? 0) + 1)
    this.#types = types
  }

  /** Partitions that the server gives to somebody else, or to nobody: an administrator or another member was there. */
  #dropForeign(view: GroupView): void {
    const member = this.#member
    const mine = new Map(view.partitions.filter(({ owner }) => owner === member.id).map(({ name, epoch }) => [name, epoch]))
    for (const partition of [...member.partitions.values()]) if (mine.get(partition.name) !== partition.epoch) member.lose(partition)
  }

  async #take(take: GroupView['partitions'], split: GroupView['partitions']): Promise<void> {
    const member = this.#member
    const reply = await member.bus.link.run(
      'take',
      member.key,
      member.subscription.group,
      member.id,
      JSON.stringify(take.map(({ name, epoch }) => [name, epoch])),
      JSON.stringify(split.map(({ residue, modulus, epoch }) => [residue, modulus, epoch])),
    )
    if (member.closing) return
    const { taken, attempts, lanes } = readTaken(reply)
    for (const one of taken) {
      const partition = new OwnedPartition(one, attempts)
      const mine = lanesOf(lanes, partition)
      partition.lotChanges(mine)
      member.partitions.set(partition.name, partition)
      member.rebuildTable()
      member.observer.assigned(partition.name, mine)
    }
    if (taken.length > 0) member.wake()
  }

  // The core compares with what it knows; lanes that are gone are told as empty.
  async #showLots(): Promise<void> {
    const member = this.#member
    const lanes = await member.bus.link.run('lanes', member.key, member.subscription.group)
    for (const partition of member.partitions.values()) {
      const changed = partition.lotChanges(lanesOf(lanes, partition))
      if (changed.length > 0) member.observer.lotChanged(partition.name, changed)
    }
  }

  /** Lets the core drain a partition, then frees it for the member that should have it. */
  async #revoke(partition: OwnedPartition): Promise<void> {
    const member = this.#member
    partition.state = 'revoking'
    await member.observer.revoking(partition.name).catch(() => undefined)
    if (partition.state !== 'revoking' || member.closing) return
    const wants = this.#yielding.get(partition.name) ?? ''
    this.#yielding.delete(partition.name)
    await this.#settlement.giveUp([partition], () => wants, false)
    member.drop(partition)
    void this.look('look')
  }

  /** The server is another one than before: it may never have had what this member read last. All of it is taken anew. */
  moved(): Promise<void> {
    return this.look('back')
  }

  // Others removed this member (its lease ran out while the process was frozen, the loop blocked or the server away), or
  // the group is gone (a server that lost its data): both heal by joining again.
  async #rejoin(why: NoView): Promise<void> {
    const member = this.#member
    for (const partition of [...member.partitions.values()]) member.lose(partition)
    if (member.closing) return
    const { bus, subscription } = member
    if (why === 'back')
      bus.report('warn', `${member.title}: the server may know less than it had answered (a fail-over, or a restart); what is unsettled there comes again`)
    else if (why === 'gone')
      bus.report('warn', `${member.title}: this process was not heard of for longer than its lease and lost its partitions; it joins again`)
    else {
      bus.report(
        'error',
        `${member.title} is not on the server any more: it was removed, or the server lost its data. It is made anew, from the start of the channel`,
      )
      await declareChannel(bus, { name: subscription.channel, kind: subscription.kind })
      await declareGroup(bus, { ...subscription, from: 'start' })
    }
    // What was read before may be of a log that is not there any more.
    member.reader.reset()
    this.#announcedAtMs = Number.NEGATIVE_INFINITY
    const view = await this.#tick('join')
    if (typeof view === 'string') return
    await this.#act(view)
  }
}
