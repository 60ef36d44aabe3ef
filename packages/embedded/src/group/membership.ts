/**
 * Who owns which partition. Every member computes the same plan from the same members (rendezvous hashing with bounded
 * load) and acts only on its own behalf: it takes what is free or whose owner is gone, hands over what another should
 * have, and splits free partitions when the channel asks for more of them. A wrong view costs balance, never order: a
 * partition is taken by one UPDATE that names the epoch it was seen with.
 */
import type { LotLane } from '@sluice/core/transport'
import { describeLane, type LaneRow, lanesAfter, lanesChangedSince } from '../lot/lot-rows.ts'
import type { Database } from '../sqlite/connection.ts'
import { storeError } from '../sqlite/errors.ts'
import { declareChannel, declareGroup, dropAbandonedGroups, type GroupRow, groupColumns } from './declare.ts'
import type { Member } from './member.ts'
import { OwnedPartition, type PartitionRow } from './owned-partition.ts'
import { freePartition, type OwnedPartitionRow, partitionRows, splitPartition, takePartition } from './ownership.ts'
import { afterWrite, writePartition } from './partition-write.ts'
import { type MemberRow, nameOf, planOwners } from './plan.ts'
import type { Settlement } from './settlement.ts'

/** A type that no live member has announced for this long is forgotten. */
const typeKeptMs = 24 * 3_600_000
/** Lanes of the lot that are read in one turn of the loop when partitions are taken. */
const lanesPerTurn = 1000
/** How long after a failure partitions are balanced, or given up, again, ms. */
const againMs = 200

export class Membership {
  readonly #member: Member
  readonly #settlement: Settlement
  #rebalancing = false
  #again = false
  #types: ReadonlyMap<string, number> = new Map()
  #announcedAtMs = 0
  /** How often this member was removed by others. */
  #removals = 0
  // Partitions to be given up because this member lacks a type found in them.
  readonly #yielding: Map<string, string> = new Map()

  constructor(member: Member, settlement: Settlement) {
    this.#member = member
    this.#settlement = settlement
  }

  /** Creates what is missing, announces this member and takes its first partitions. Resolves when that is committed. */
  async join(): Promise<void> {
    const member = this.#member
    const { bus, subscription } = member
    let memberId = 0
    await bus.writer.write(
      (db) => {
        const known = db.get<{ kind: 'events' | 'commands' | 'reply' }>('SELECT kind FROM channel WHERE name = ?', subscription.channel)
        const channel = declareChannel(db, { name: subscription.channel, kind: subscription.kind }, bus.options.partitions)
        if (known === undefined) bus.markChanged(db)
        const group = declareGroup(db, subscription)
        member.channelId = channel.id
        member.groupId = group.id
        member.paused = group.paused === 1
        memberId = this.#insertMember(db)
      },
      // Not later: a member whose sync failed would own partitions and consume nothing. Whatever is stored for the group
      // comes after it in the log, and is durable only together with it.
      { announce: true, sync: 'committed' },
    )
    member.memberId = memberId
    if (member.paused) member.observer.paused(true)
    this.#refreshTypes()
    await this.rebalance()
  }

  /** Its id counts once that is committed: that of an undone transaction may become another's. */
  #insertMember(db: Database): number {
    const member = this.#member
    const processId = member.lease.ensure(db)
    const { id } = db.one<{ id: number }>(
      'INSERT INTO member (process_id, group_id, types, in_flight) VALUES (?, ?, ?, 0) RETURNING id',
      processId,
      member.groupId,
      JSON.stringify(member.subscription.types),
    )
    this.#announceTypes(db)
    member.bus.markChanged(db)
    return id
  }

  #announceTypes(db: Database): void {
    const { groupId, subscription, bus } = this.#member
    const nowMs = bus.clock.nowMs()
    for (const type of subscription.types) db.run('INSERT OR REPLACE INTO group_type (group_id, type, announced_at_ms) VALUES (?, ?, ?)', groupId, type, nowMs)
    db.run('DELETE FROM group_type WHERE group_id = ? AND announced_at_ms < ?', groupId, nowMs - typeKeptMs)
    this.#announcedAtMs = nowMs
  }

  #members(): MemberRow[] {
    return this.#member.bus.db.all<MemberRow>('SELECT id, process_id, types FROM member WHERE group_id = ? ORDER BY id', this.#member.groupId)
  }

  #refreshTypes(): void {
    const { bus, groupId } = this.#member
    const types = new Map<string, number>(bus.db.all<{ type: string }>('SELECT type FROM group_type WHERE group_id = ?', groupId).map(({ type }) => [type, 0]))
    for (const member of this.#members()) for (const type of JSON.parse(member.types) as string[]) types.set(type, (types.get(type) ?? 0) + 1)
    this.#types = types
  }

  get types(): ReadonlyMap<string, number> {
    return this.#types
  }

  /** Members, pauses or lots changed somewhere. */
  changed(): void {
    const member = this.#member
    if (member.closing) return
    const group = member.bus.db.get<GroupRow>(`SELECT ${groupColumns} FROM consumer_group WHERE id = ?`, member.groupId)
    if (group !== undefined && (group.paused === 1) !== member.paused) {
      member.paused = !member.paused
      member.observer.paused(member.paused)
      member.wake()
    }
    this.#refreshTypes()
    this.#showLots()
    void this.rebalance()
  }

  #showLots(): void {
    const { bus, groupId, partitions, observer } = this.#member
    if (partitions.size === 0) return
    let toldSeq = Number.POSITIVE_INFINITY
    for (const partition of partitions.values()) toldSeq = Math.min(toldSeq, partition.lotToldSeq)
    const rows = lanesChangedSince(bus.db, groupId, toldSeq)
    if (rows.length === 0) return
    const newestSeq = Math.max(...rows.map((row) => row.news))
    for (const partition of [...partitions.values()]) {
      const news = rows.filter((row) => row.news > partition.lotToldSeq && row.hash % partition.modulus === partition.residue)
      partition.lotToldSeq = Math.max(partition.lotToldSeq, newestSeq)
      if (news.length > 0)
        observer.lotChanged(
          partition.name,
          news.map((row) => describeLane(row, partition.name)),
        )
    }
  }

  /** Looks at members and partitions and does what is this member's to do. */
  async rebalance(): Promise<void> {
    if (this.#rebalancing) {
      this.#again = true
      return
    }
    this.#rebalancing = true
    try {
      do {
        this.#again = false
        await this.#rebalanceOnce()
      } while (this.#again && !this.#member.closing)
    } catch (error) {
      const { bus, closing, subscription } = this.#member
      if (closing) return
      const failure = storeError(error, bus.path)
      // A busy or failing disk passes; of a damaged file the group gets nothing before somebody mends it.
      bus.clock.setTimer(againMs, () => void this.rebalance())
      const level = failure.code === 'STORE_CORRUPT' ? 'error' : 'warn'
      bus.report(level, `group ${subscription.group}: partitions could not be balanced: ${failure.message}`, failure)
    } finally {
      this.#rebalancing = false
    }
  }

  async #rebalanceOnce(): Promise<void> {
    const member = this.#member
    const { bus, groupId, lease } = member
    if (member.closing) return
    const gone = lease.gone()
    const live = this.#members().filter((row) => !gone.includes(row.process_id))
    if (!live.some((row) => row.id === member.memberId)) {
      await this.#rejoin()
      return
    }
    const rows = partitionRows(bus.db, groupId)
    this.#dropForeign(rows)
    const wanted = this.#modulusWanted()
    const growing = rows.some((row) => row.modulus < wanted)
    const plan = planOwners(rows, live)
    const ids = new Set(live.map((row) => row.id))
    // Its own that it does not have: it took them, and could not read what it must know of them.
    const free = rows.filter((row) => row.owner === null || !ids.has(row.owner) || (row.owner === member.memberId && !member.partitions.has(nameOf(row))))
    const take = free.filter((row) => row.modulus >= wanted && plan.get(nameOf(row)) === member.memberId)
    const split = free.filter((row) => row.modulus < wanted)
    if (gone.length > 0 || take.length > 0 || split.length > 0) await this.#apply(gone, take, split)
    for (const partition of [...member.partitions.values()]) {
      const owner = plan.get(partition.name)
      if (partition.state === 'owned' && ((growing && partition.modulus < wanted) || (owner !== undefined && owner !== member.memberId)))
        void this.#revoke(partition)
    }
  }

  #modulusWanted(): number {
    const { bus, channelId, subscription } = this.#member
    if (subscription.order === 'channel' || subscription.groupConcurrency !== undefined) return 1
    return bus.db.get<{ partitions: number }>('SELECT partitions FROM channel WHERE id = ?', channelId)?.partitions ?? 1
  }

  /** Looks whose the partitions are, and tells of those that are this member's no more. */
  checkHeld(): void {
    const { bus, groupId, memberId } = this.#member
    const removed = bus.db.get('SELECT 1 FROM member WHERE id = ? AND group_id = ?', memberId, groupId) === undefined
    this.#dropForeign(removed ? [] : partitionRows(bus.db, groupId))
  }

  /**
   * Others removed this member: nothing is its own any more, at once, whatever it is in the middle of. Its process may have a
   * new lease before it has joined again, and would hand out from its old partitions (torture 401060).
   */
  removed(): void {
    this.#removals++
    for (const partition of [...this.#member.partitions.values()]) this.#member.lose(partition)
    // Not here: this may be inside a transaction.
    setImmediate(() => void this.rebalance())
  }

  /** Partitions that the file gives to somebody else, or to nobody: an administrator or another member was there. */
  #dropForeign(rows: readonly PartitionRow[]): void {
    const member = this.#member
    const mine = new Map(rows.filter((row) => row.owner === member.memberId).map((row) => [nameOf(row), row.epoch]))
    for (const partition of [...member.partitions.values()]) if (mine.get(partition.name) !== partition.epoch) member.lose(partition)
  }

  async #apply(gone: readonly number[], take: readonly PartitionRow[], split: readonly PartitionRow[]): Promise<void> {
    const member = this.#member
    const { bus, groupId, lease } = member
    let taken: OwnedPartitionRow[] = []
    const removals = this.#removals
    await bus.writer.write(
      (db) => {
        taken = []
        if (gone.length > 0) {
          dropAbandonedGroups(db, lease.expire(db, gone))
          bus.markChanged(db)
        }
        for (const row of split) splitPartition(db, groupId, row)
        if (split.length > 0) bus.markChanged(db)
        for (const row of take) {
          const one = takePartition(db, groupId, row, member.memberId)
          if (one !== undefined) taken.push(one)
        }
      },
      { sync: 'committed', announce: gone.length > 0 || split.length > 0 },
    )
    if (member.closing || removals !== this.#removals) return
    if (taken.length > 0) await this.#own(taken)
    if (split.length > 0 || gone.length > 0) this.#again = true
  }

  async #own(taken: readonly OwnedPartitionRow[]): Promise<void> {
    const member = this.#member
    const removals = this.#removals
    // Read first: what changes from outside meanwhile is told twice rather than never. Nobody else changes these lanes.
    const toldSeq = member.bus.committedSeq()
    const told: { readonly partition: OwnedPartition; readonly lanes: LotLane[] }[] = []
    for (const { row, attempts, lotEnd } of taken) {
      const partition = new OwnedPartition(row, row.epoch, attempts, lotEnd)
      partition.lotToldSeq = toldSeq
      told.push({ partition, lanes: [] })
    }
    // All lanes of the group, not only those of these partitions: a damaged one may belong to any.
    await this.#eachLane((row) => {
      const one = told.find(({ partition }) => row.hash % partition.modulus === partition.residue)
      one?.lanes.push(describeLane(row, one.partition.name))
    })
    if (member.closing || removals !== this.#removals) return
    for (const { partition } of told) member.partitions.set(partition.name, partition)
    member.rebuildTable()
    for (const { partition, lanes } of told) member.observer.assigned(partition.name, lanes)
    // What was changed while lanes were read was news to nobody.
    this.#showLots()
    member.wake()
  }

  /** A hundred thousand lanes take a second: the loop gets its turns meanwhile. */
  async #eachLane(look: (row: LaneRow) => void): Promise<void> {
    const { bus, groupId } = this.#member
    for (let after = ''; ; ) {
      const rows = lanesAfter(bus.db, groupId, after, lanesPerTurn)
      for (const row of rows) look(row)
      if (rows.length < lanesPerTurn) return
      after = (rows[rows.length - 1] as LaneRow).lane
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  /** Lets the core drain a partition, then frees it for the member that should have it. */
  async #revoke(partition: OwnedPartition): Promise<void> {
    partition.state = 'revoking'
    await this.#member.observer.revoking(partition.name).catch(() => undefined)
    await this.#freeRevoked(partition)
  }

  // Full or failing disk: until it is given up nobody consumes it, for this member takes nothing more of it.
  async #freeRevoked(partition: OwnedPartition): Promise<void> {
    const member = this.#member
    if (partition.state !== 'revoking' || member.closing) return
    await this.#free([partition]).catch(() => void member.bus.clock.setTimer(againMs, () => void this.#freeRevoked(partition)))
  }

  async #free(partitions: readonly OwnedPartition[], leave?: (db: Database) => void): Promise<void> {
    const member = this.#member
    const { bus, groupId, memberId } = member
    await this.#settlement.settled()
    await bus.writer.write(
      (db) => {
        for (const partition of partitions) {
          if (partition.state !== 'lost' && writePartition(db, member, partition))
            freePartition(db, groupId, memberId, partition, this.#yielding.get(partition.name))
        }
        leave?.(db)
        bus.markChanged(db)
      },
      { announce: true },
    )
    for (const partition of partitions) {
      this.#yielding.delete(partition.name)
      if (partition.state !== 'lost') afterWrite(partition)
      member.drop(partition)
    }
    if (!member.closing) void this.rebalance()
  }

  // Others removed this member: its lease ran out while the process was frozen or the loop blocked.
  async #rejoin(): Promise<void> {
    const member = this.#member
    for (const partition of [...member.partitions.values()]) member.lose(partition)
    const { bus } = member
    if (bus.db.get('SELECT 1 FROM consumer_group WHERE id = ?', member.groupId) === undefined) return
    bus.report(
      'warn',
      `group ${member.subscription.group} of ${member.subscription.channel}: this process was silent for longer than its lease and lost its partitions; it joins again`,
    )
    let memberId = 0
    await bus.writer.write(
      (db) => {
        memberId = this.#insertMember(db)
      },
      { announce: true, sync: 'committed' },
    )
    member.memberId = memberId
    this.#again = true
  }

  /** The core met a type that another member handles. */
  yield(name: string, type: string): void {
    const partition = this.#member.partitions.get(name)
    if (partition === undefined || partition.state !== 'owned') return
    this.#yielding.set(name, type)
    void this.#revoke(partition)
  }

  /** Once per heartbeat. */
  tick(): void {
    const { bus, groupId, memberId, closing, inHand } = this.#member
    if (closing) return
    const announce = bus.clock.nowMs() - this.#announcedAtMs > typeKeptMs / 24
    bus.writer
      .write(
        (db) => {
          db.run('UPDATE member SET in_flight = ? WHERE id = ?', inHand, memberId)
          if (announce && groupId !== 0) this.#announceTypes(db)
        },
        { sync: 'soon' },
      )
      .catch(() => undefined)
  }

  /** Gives everything up at once and leaves. */
  async leave(): Promise<void> {
    const member = this.#member
    await this.#free([...member.partitions.values()], (db) => {
      db.run('DELETE FROM member WHERE id = ?', member.memberId)
      dropAbandonedGroups(db, [member.groupId])
    })
  }
}
