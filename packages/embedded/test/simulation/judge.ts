/**
 * Judges a run. After each commit it looks at the file itself: where each message stands in each group, who owns which
 * partition, and who has just changed it. With each handler that starts it asks whether that may be.
 *
 *   place of a message in a group:  log → done · log → lot, dead · lot → done, dead · dead → lot (redrive), done (discard)
 *                                   any → log (replay)
 */
import type { PartitionRow as StoredPartition } from '../../src/group/owned-partition.ts'
import { decodeRanges, isDone } from '../../src/group/progress.ts'
import { ChannelReader } from '../../src/log/reader.ts'
import { checkGroups } from '../../src/maintenance/check-groups.ts'
import { checkLog } from '../../src/maintenance/check-log.ts'
import { checkMessages } from '../../src/maintenance/check-messages.ts'
import { Findings } from '../../src/maintenance/findings.ts'
import type { EventLoop } from './event-loop.ts'
import type { MachineProcess, SimMachine } from './machine.ts'

/** Kinds of change that a person asks for. */
export type AdminKind = 'replay' | 'purge' | 'redrive' | 'discard'

/** A process as the judge sees it. */
export interface JudgedProcess extends MachineProcess {
  readonly instanceId: string
  /** What persons ask of it just now: changes of these kinds are theirs. */
  readonly admin: ReadonlySet<AdminKind>
  /** When it last went on after a freeze, ms. */
  readonly thawedAtMs: number
}

/** What a group was told to do. */
export interface GroupRules {
  readonly order: 'key' | 'channel' | 'none'
  readonly attempts: number
  /** Batches with several messages of a lane, which begin together. */
  readonly many: boolean
}

/** A message that was published. */
export interface Sent {
  readonly id: string
  readonly type: string
  readonly key: string | undefined
  readonly producer: string
  /** Number of the call among its producer's. */
  readonly call: number
  readonly dueMs: number
  state: 'open' | 'confirmed' | 'failed' | 'unknown'
}

type Place = 'log' | 'lot' | 'dead' | 'done'

interface Stored {
  readonly sent: Sent
  readonly hash: number
  readonly seq: number
}

type PartitionRow = Pick<StoredPartition, 'modulus' | 'residue' | 'owner' | 'epoch' | 'cursor' | 'done' | 'done_count'>

interface Running {
  readonly process: JudgedProcess
  readonly position: number
  /** Of the partition, when it began; undefined: another owned it. */
  readonly epoch: number | undefined
}

interface Group {
  readonly id: number
  readonly name: string
  readonly rules: GroupRules
  readonly places: Place[]
  partitions: PartitionRow[]
  /** Messages in the lot: one that was replayed and redriven may be there twice, and in the log besides. */
  lotCount: number
  /** Dead letters that park their lanes. */
  parking: ReadonlySet<number>
  /** Lanes that are parked. */
  parked: ReadonlySet<string>
  /** Processes whose handler succeeded, by position; since it was last reopened. */
  readonly succeeded: Map<number, Set<string>>
  readonly running: Set<Running>
  /** Attempts that failed, by position, and the epoch when the first one did: each change of hands may forget one. */
  readonly failed: Map<number, { count: number; readonly epoch: number }>
  /** Dead letters that were replayed. */
  readonly twice: Set<number>
  pausedSinceMs: number | undefined
  /** Types recorded with the group, and since when, ms: before, they were nobody's and were skipped. */
  readonly types: Map<string, number>
  /** Where it begins: what is before it was never its own. */
  start: number
}

interface GroupRow {
  readonly id: number
  readonly name: string
  readonly paused: number
  readonly start_position: number
}

interface ProcessRow {
  readonly id: number
  readonly instance: string
  readonly deadline_ms: number
}

const channel = 'sim'

/** See the header of this file. */
export class Judge {
  starts = 0
  /** Handlers that a member started which did not own the partition any more. */
  staleStarts = 0
  commits = 0
  takeovers = 0
  splits = 0
  moved = 0
  readonly #loop: EventLoop
  readonly #machine: SimMachine
  readonly #rules: ReadonlyMap<string, GroupRules>
  readonly #byInstance: Map<string, JudgedProcess> = new Map()
  readonly #sent: Map<string, Sent> = new Map()
  readonly #stored: Stored[] = []
  /** Where each id is stored: twice, when its publish was sent again after a doubtful confirm. */
  readonly #positions: Map<string, number[]> = new Map()
  readonly #groups: Map<string, Group> = new Map()
  /** Process of each member that ever was. */
  readonly #members: Map<number, JudgedProcess> = new Map()
  /** Names of the partitions that a process was told it owns, by instance and group. */
  readonly #owned: Map<string, Set<string>> = new Map()
  #liveMembers: ReadonlySet<number> = new Set()
  #processes: ReadonlyMap<number, ProcessRow> = new Map()
  #reader: ChannelReader | undefined
  /** First message that is kept; and whether groups that are slow lose theirs. */
  #keptFrom = 1
  readonly #keepForGroups: boolean
  #trimming = false

  constructor(loop: EventLoop, machine: SimMachine, rules: ReadonlyMap<string, GroupRules>, keepForGroups: boolean) {
    this.#loop = loop
    this.#machine = machine
    this.#rules = rules
    this.#keepForGroups = keepForGroups
    machine.committed = (process, statements) => this.#committed(process as JudgedProcess, statements)
  }

  born(process: JudgedProcess): void {
    this.#byInstance.set(process.instanceId, process)
  }

  sending(message: Sent): void {
    this.#sent.set(message.id, message)
  }

  // ------------------------------------------------------------------ after each commit

  #committed(process: JudgedProcess, statements: ReadonlySet<string>): void {
    this.commits++
    if (process.dead) this.#loop.violation(`${process.name} commits although it is dead`)
    const touched = (table: string): boolean => {
      for (const sql of statements) if (!sql.startsWith('SELECT') && sql.includes(table)) return true
      return false
    }
    this.#trimming = touched('DELETE FROM block')
    if (this.#trimming) this.#keptFrom = this.#machine.view.one<{ first: number }>('SELECT min(first_position) AS first FROM channel').first
    const groups = touched('consumer_group')
    if (groups) this.#readGroups()
    if (touched('process')) this.#readProcesses(process)
    if (touched('member')) this.#readMembers()
    if (touched('group_type')) this.#readTypes()
    const grown = touched(' block')
    if (grown) this.#readLog()
    if (groups || grown || this.#trimming || touched('partition') || touched('lot_') || touched('dead_letter'))
      for (const group of this.#groups.values()) this.#readGroup(group, process)
  }

  #readGroups(): void {
    const rows = this.#machine.view.all<GroupRow>('SELECT id, name, paused, start_position FROM consumer_group')
    for (const { id, name, paused, start_position: start } of rows) {
      let group = this.#groups.get(name)
      if (group === undefined) {
        const rules = this.#rules.get(name)
        if (rules === undefined) throw new Error(`a group ${name} that nobody planned`)
        group = {
          id,
          name,
          rules,
          places: [],
          partitions: [],
          lotCount: 0,
          parking: new Set(),
          parked: new Set(),
          succeeded: new Map(),
          running: new Set(),
          failed: new Map(),
          twice: new Set(),
          pausedSinceMs: undefined,
          types: new Map(),
          start,
        }
        this.#groups.set(name, group)
      }
      group.start = start
      group.pausedSinceMs = paused === 0 ? undefined : (group.pausedSinceMs ?? this.#loop.nowMs)
    }
  }

  #readProcesses(by: JudgedProcess): void {
    const rows = this.#machine.view.all<ProcessRow>('SELECT id, instance, deadline_ms FROM process')
    const now = new Map(rows.map((row) => [row.id, row]))
    for (const [id, row] of this.#processes) {
      const removed = this.#byInstance.get(row.instance)
      if (now.has(id) || removed === by) continue
      if (row.deadline_ms > this.#loop.nowMs)
        this.#loop.violation(`${by.name} expires ${removed?.name}, whose lease runs for ${row.deadline_ms - this.#loop.nowMs} ms more`)
    }
    this.#processes = now
  }

  #readMembers(): void {
    const rows = this.#machine.view.all<{ id: number; instance: string }>('SELECT m.id, p.instance FROM member m JOIN process p ON p.id = m.process_id')
    for (const { id, instance } of rows) {
      const process = this.#byInstance.get(instance)
      if (process !== undefined) this.#members.set(id, process)
    }
    this.#liveMembers = new Set(rows.map(({ id }) => id))
  }

  #readTypes(): void {
    for (const group of this.#groups.values())
      for (const { type } of this.#machine.view.all<{ type: string }>('SELECT type FROM group_type WHERE group_id = ?', group.id))
        if (!group.types.has(type)) group.types.set(type, this.#loop.nowMs)
  }

  #readLog(): void {
    const { view } = this.#machine
    const row = view.get<{ id: number }>('SELECT id FROM channel WHERE name = ?', channel)
    if (row === undefined) return
    this.#reader ??= new ChannelReader(view, row.id, 0)
    for (;;) {
      const block = this.#reader.next(this.#stored.length + 1, this.commits)
      if (block === undefined) return
      if (block.first !== this.#stored.length + 1) this.#loop.violation(`the log goes on at ${block.first}, not at ${this.#stored.length + 1}`)
      for (let index = 0; index < block.count; index++) this.#store(block.envelopeAt(index).id, block.hashAt(index), block.seq)
      if (block.count === 0) return
    }
  }

  #store(id: string, hash: number, seq: number): void {
    const sent = this.#sent.get(id)
    const position = this.#stored.length + 1
    if (sent === undefined) {
      this.#loop.violation(`message ${id} was stored and never sent`)
      return
    }
    this.#loop.log(() => `stored ${position}: ${id} key ${sent.key ?? '-'} of ${sent.producer}`)
    if (sent.state === 'failed') this.#loop.violation(`message ${id} is stored although its publish failed`)
    if (this.#loop.wallMs < sent.dueMs) this.#loop.violation(`message ${id} is in the log ${sent.dueMs - this.#loop.wallMs} ms before it is due`)
    if (sent.key !== undefined && sent.dueMs === 0) this.#checkCallOrder(sent)
    this.#stored.push({ sent, hash, seq })
    this.#positions.set(id, [...(this.#positions.get(id) ?? []), position])
  }

  /** A producer's messages of a key are stored in the order of its calls; one that is stored again after a doubtful confirm is not looked at. */
  #checkCallOrder(sent: Sent): void {
    if (this.#positions.has(sent.id)) return
    for (const other of this.#stored)
      if (other.sent.producer === sent.producer && other.sent.key === sent.key && other.sent.dueMs === 0 && other.sent.call > sent.call)
        this.#loop.violation(`message ${sent.id} is stored behind ${other.sent.id}, which ${sent.producer} sent later`)
  }

  #readGroup(group: Group, by: JudgedProcess): void {
    const { view } = this.#machine
    const before = group.partitions
    group.partitions = view.all<PartitionRow>(
      'SELECT modulus, residue, owner, epoch, cursor, done, done_count FROM partition WHERE group_id = ? ORDER BY modulus, residue',
      group.id,
    )
    for (const now of group.partitions) this.#checkPartition(group, before, now, by)
    const entries = view.all<{ position: number }>('SELECT e.position FROM lot_entry e JOIN lot_lane l ON l.id = e.lane_id WHERE l.group_id = ?', group.id)
    const lot = new Set(entries.map(({ position }) => position))
    group.lotCount = entries.length
    const parkedBefore = group.parking
    const letters = view.all<{ position: number; parks: number }>('SELECT position, parks FROM dead_letter WHERE group_id = ?', group.id)
    const dead = new Set(letters.map(({ position }) => position))
    group.parking = new Set(letters.filter(({ parks }) => parks === 1).map(({ position }) => position))
    group.parked = new Set(view.all<{ lane: string }>("SELECT lane FROM lot_lane WHERE group_id = ? AND state = 'parked'", group.id).map(({ lane }) => lane))
    this.#readPlaces(group, lot, dead, parkedBefore, by)
  }

  #readPlaces(group: Group, lot: ReadonlySet<number>, dead: ReadonlySet<number>, parkedBefore: ReadonlySet<number>, by: JudgedProcess): void {
    const progress = group.partitions.map((row) => ({ ...row, ranges: decodeRanges(row.done) }))
    let done = 0
    for (let index = 0; index < this.#stored.length; index++) {
      const { hash } = this.#stored[index] as Stored
      const position = index + 1
      const partition = progress.find((one) => hash % one.modulus === one.residue)
      if (partition === undefined) {
        this.#loop.violation(`message ${position} belongs to no partition of ${group.name}`)
        return
      }
      const inLog = !isDone(partition, position)
      if (!inLog && position >= group.start) done++
      if (inLog && lot.has(position) && !group.twice.has(position)) this.#loop.violation(`message ${position} is in the log of ${group.name} and in its lot`)
      if (inLog && position < this.#keptFrom) this.#loop.violation(`message ${position} is trimmed, and ${group.name} has not done it`)
      const place = inLog ? 'log' : lot.has(position) ? 'lot' : dead.has(position) ? 'dead' : 'done'
      const before = group.places[position]
      if (before === place) continue
      group.places[position] = place
      this.#moved(group, position, before, place, parkedBefore.has(position), by)
    }
    const counted = progress.reduce((sum, { done_count: count }) => sum + count, 0)
    if (counted !== done) this.#loop.violation(`${group.name} counts ${counted} messages done, and ${done} are`)
  }

  #moved(group: Group, position: number, before: Place | undefined, place: Place, parked: boolean, by: JudgedProcess): void {
    this.moved++
    const what = `message ${position} of ${group.name} goes from ${before ?? 'nowhere'} to ${place}, by ${by.name}`
    this.#loop.log(() => what)
    const { admin } = by
    if (before === undefined && position < group.start) return
    switch (`${before ?? 'log'} ${place}` as `${Place} ${Place}`) {
      case 'log log':
      case 'log lot':
      case 'log dead':
      case 'lot dead':
        return
      case 'log done':
      case 'lot done':
        if (!admin.has('purge') && !this.#succeeded(group, position, by) && !this.#skipped(group, position, before))
          this.#loop.violation(`${what}: no handler of it succeeded there`)
        return
      case 'dead done':
        if (!admin.has('discard')) this.#loop.violation(`${what}: nobody discarded it`)
        return
      case 'dead lot':
        group.failed.delete(position)
        // Given up with `continue`, or purged around, its successors went on: they do not wait for it again.
        if (!parked) group.succeeded.set(position, new Set())
        else group.succeeded.delete(position)
        if (!admin.has('redrive')) this.#loop.violation(`${what}: nobody redrove it`)
        return
      case 'done log':
      case 'dead log':
        group.failed.delete(position)
        group.succeeded.delete(position)
        // Redriven, too, it would be in the lot besides.
        if (before === 'dead') group.twice.add(position)
        if (!admin.has('replay')) this.#loop.violation(`${what}: nobody replayed it`)
        return
      default:
        this.#loop.violation(what)
    }
  }

  /** Given up for a slow group, or of a type that the group did not handle yet. */
  #skipped(group: Group, position: number, before: Place | undefined): boolean {
    if (before !== 'lot' && this.#trimming && !this.#keepForGroups && position < this.#keptFrom) return true
    return this.#unhandled(group, position)
  }

  #unhandled(group: Group, position: number): boolean {
    const sinceMs = group.types.get((this.#stored[position - 1] as Stored).sent.type) ?? Number.POSITIVE_INFINITY
    return sinceMs > this.#loop.nowMs - 1_000
  }

  /** Of a message that is stored twice, nobody can tell which copy a handler had. */
  #succeeded(group: Group, position: number, by: JudgedProcess): boolean {
    const copies = this.#positions.get((this.#stored[position - 1] as Stored).sent.id) ?? []
    return copies.some((copy) => group.succeeded.get(copy)?.has(by.name))
  }

  #checkPartition(group: Group, before: readonly PartitionRow[], now: PartitionRow, by: JudgedProcess): void {
    const name = `partition ${now.residue}/${now.modulus} of ${group.name}`
    const old = before.find((row) => row.modulus === now.modulus && row.residue === now.residue)
    if (old === undefined) {
      if (before.length > 0) this.splits++
      return
    }
    if (old.epoch === now.epoch && old.owner === now.owner && old.cursor === now.cursor && old.done === now.done && old.done_count === now.done_count) return
    const moved = old.cursor !== now.cursor || old.done !== now.done || old.done_count !== now.done_count
    const persons = by.admin.has('replay') || by.admin.has('purge') || (this.#trimming && !this.#keepForGroups)
    const owner = old.owner === null ? undefined : this.#members.get(old.owner)
    this.#loop.log(() => `${name}: epoch ${now.epoch}, owner ${this.#name(now.owner)}, cursor ${now.cursor} ${now.done} ${now.done_count}, by ${by.name}`)
    if (now.epoch < old.epoch) this.#loop.violation(`${name} goes back from epoch ${old.epoch} to ${now.epoch}`)
    if (now.epoch === old.epoch && moved && owner !== by) this.#loop.violation(`${by.name} writes the progress of ${name}, which ${this.#name(old.owner)} owns`)
    if (now.epoch !== old.epoch && moved && !persons) this.#loop.violation(`${name} changes its owner and its progress in one commit`)
    if (now.cursor < old.cursor && !persons) this.#loop.violation(`the cursor of ${name} goes back from ${old.cursor} to ${now.cursor}`)
    if (now.owner === old.owner && now.epoch === old.epoch) return
    if (now.owner === null) {
      if (!persons) this.#checkFreed(group, name, old, now, by)
      return
    }
    this.takeovers++
    if (now.epoch === old.epoch) this.#loop.violation(`${name} has another owner under the same epoch`)
    if (this.#members.get(now.owner) !== by) this.#loop.violation(`${by.name} gives ${name} to ${this.#name(now.owner)}`)
    if (old.owner !== null && old.owner !== now.owner && now.epoch === old.epoch + 1 && this.#liveMembers.has(old.owner))
      this.#loop.violation(`${by.name} takes ${name} from ${this.#name(old.owner)}, which lives`)
  }

  /** Given up by its owner: nothing of it runs there any more. */
  #checkFreed(group: Group, name: string, old: PartitionRow, now: PartitionRow, by: JudgedProcess): void {
    if (old.owner === null || this.#members.get(old.owner) !== by) this.#loop.violation(`${by.name} frees ${name} of ${this.#name(old.owner)}`)
    for (const running of group.running) {
      const { hash } = this.#stored[running.position - 1] as Stored
      if (running.process === by && running.epoch === old.epoch && hash % now.modulus === now.residue)
        this.#loop.violation(`${by.name} frees ${name} while it handles message ${running.position} of it`)
    }
  }

  #name(member: number | null): string {
    return member === null ? 'nobody' : `member ${member} (${this.#members.get(member)?.name ?? '?'})`
  }

  // ------------------------------------------------------------------ what processes are told, and their handlers

  /** A process hears that it owns a partition, or does not any more: from then on it starts nothing of it. */
  told(process: JudgedProcess, group: string, partition: string, owned: boolean): void {
    if (process.dead) return
    this.#loop.log(() => `${process.name} is told: partition ${partition} of ${group} is ${owned ? 'its own' : 'not its own'}`)
    const key = `${process.instanceId} ${group}`
    const names = this.#owned.get(key) ?? new Set()
    this.#owned.set(key, names)
    if (owned) names.add(partition)
    else names.delete(partition)
  }

  #believesToOwn(process: JudgedProcess, group: string, position: number): boolean {
    const { hash } = this.#stored[position - 1] as Stored
    for (const name of this.#owned.get(`${process.instanceId} ${group}`) ?? []) {
      const [residue = 0, modulus = 1] = name.split('/').map(Number)
      if (hash % modulus === residue) return true
    }
    return false
  }

  /** A handler begins; what is returned is passed to `ended`. */
  started(process: JudgedProcess, groupName: string, id: string, attempt: number): Running | undefined {
    if (process.dead) return undefined
    this.starts++
    const group = this.#groups.get(groupName)
    const positions = this.#positions.get(id)
    if (group === undefined || positions === undefined) {
      this.#loop.violation(`${process.name} handles ${id}, which is not stored`)
      return undefined
    }
    const position = this.#which(group, positions, process)
    const { sent, seq } = this.#stored[position - 1] as Stored
    const epoch = this.#ownEpoch(process, group, position)
    const owns = epoch !== undefined
    const what = `${process.name} handles message ${position} (${sent.key ?? '-'}) of ${groupName}, attempt ${attempt}${owns ? '' : ', stale'}`
    this.#loop.log(() => what)
    if (seq > this.#machine.syncedSeq) this.#loop.violation(`${what}: it is not synced`)
    if (attempt > group.rules.attempts) this.#loop.violation(`${what}: ${group.rules.attempts} are allowed`)
    for (const running of group.running)
      if (running.process === process && running.position === position && !group.twice.has(position)) this.#loop.violation(`${what}: it runs already`)
    if (!this.#believesToOwn(process, groupName, position)) this.#loop.violation(`${what}: it was told that the partition is not its own`)
    if (owns) this.#checkStart(process, group, position, what)
    else this.staleStarts++
    const running = { process, position, epoch }
    group.running.add(running)
    return running
  }

  /** Epoch of a message's partition where this process owns it. */
  #ownEpoch(process: JudgedProcess, group: Group, position: number): number | undefined {
    const { hash } = this.#stored[position - 1] as Stored
    const partition = group.partitions.find((one) => hash % one.modulus === one.residue)
    return partition !== undefined && partition.owner !== null && this.#members.get(partition.owner) === process ? partition.epoch : undefined
  }

  /** Which copy of a message a handler got: the first that may be handled there. */
  #which(group: Group, positions: readonly number[], process: JudgedProcess): number {
    const open = (position: number): boolean => group.places[position] === 'log' || group.places[position] === 'lot'
    const idle = (position: number): boolean => [...group.running].every((running) => running.process !== process || running.position !== position)
    const mine = positions.filter((position) => open(position) && this.#ownEpoch(process, group, position) !== undefined && idle(position))
    return mine.find((position) => !group.succeeded.get(position)?.has(process.name)) ?? mine[0] ?? positions[positions.length - 1] ?? 0
  }

  #checkStart(process: JudgedProcess, group: Group, position: number, what: string): void {
    const { pausedSinceMs } = group
    const awareMs = this.#loop.nowMs - 2_500
    if (pausedSinceMs !== undefined && pausedSinceMs < awareMs && process.thawedAtMs < awareMs)
      this.#loop.violation(`${what}: it is paused since ${pausedSinceMs}`)
    const place = group.places[position]
    if (place === 'done' || place === 'dead') this.#loop.violation(`${what}: it is ${place}`)
    const lane = this.#laneOf(group, position)
    if (lane === undefined) return
    if (group.parked.has(lane)) this.#loop.violation(`${what}: its lane is parked`)
    const together = new Set(group.rules.many ? [...group.running].filter((running) => running.process === process).map((running) => running.position) : [])
    for (let earlier = 1; earlier < position; earlier++) {
      if (together.has(earlier)) continue
      const before = group.places[earlier]
      if (
        (before === 'log' || before === 'lot') &&
        !group.succeeded.has(earlier) &&
        !group.twice.has(position) &&
        this.#laneOf(group, earlier) === lane &&
        !this.#unhandled(group, earlier)
      )
        this.#loop.violation(`${what}: message ${earlier} of its lane is still in the ${before}`)
    }
  }

  #laneOf(group: Group, position: number): string | undefined {
    if (group.rules.order === 'channel') return 'channel'
    const { key } = (this.#stored[position - 1] as Stored).sent
    return group.rules.order === 'key' && key !== undefined ? `key:${key}` : undefined
  }

  ended(groupName: string, running: Running | undefined, succeeded: boolean, counted = true): void {
    const group = this.#groups.get(groupName)
    if (running === undefined || group === undefined || running.process.dead) return
    group.running.delete(running)
    this.#loop.log(() => `${running.process.name} ends message ${running.position} of ${groupName}: ${succeeded ? 'done' : 'not done'}`)
    if (!succeeded) {
      if (counted) this.#failed(group, running)
      return
    }
    const names = group.succeeded.get(running.position) ?? new Set()
    group.succeeded.set(running.position, names.add(running.process.name))
  }

  /** Attempts end, also over changes of hands: what failed is recorded before it is tried again. */
  #failed(group: Group, { process, position, epoch }: Running): void {
    if (epoch === undefined || this.#ownEpoch(process, group, position) !== epoch) return
    const failed = group.failed.get(position) ?? { count: 0, epoch }
    group.failed.set(position, failed)
    failed.count++
    const bound = group.rules.attempts + epoch - failed.epoch
    if (failed.count > bound && !group.twice.has(position) && this.#copies(position) === 1)
      this.#loop.violation(`message ${position} of ${group.name} failed ${failed.count} times, more than ${bound}`)
  }

  #copies(position: number): number {
    return this.#positions.get((this.#stored[position - 1] as Stored).sent.id)?.length ?? 0
  }

  /** A process is gone, and its handlers with it. */
  died(process: JudgedProcess): void {
    for (const sent of this.#sent.values()) if (sent.producer === process.name && sent.state === 'open') sent.state = 'unknown'
    for (const group of this.#groups.values()) for (const running of group.running) if (running.process === process) group.running.delete(running)
  }

  // ------------------------------------------------------------------ figures and the end

  /** Messages of a group that are not done, as a status must say. */
  backlog(groupName: string): number {
    const group = this.#groups.get(groupName)
    return group === undefined ? 0 : group.lotCount + this.#stored.filter((_, index) => (group.places[index + 1] ?? 'log') === 'log').length
  }

  /** Everything that was confirmed is stored, and done in all groups or dead. */
  get settled(): boolean {
    for (const sent of this.#sent.values()) if (sent.state === 'open' || (sent.state === 'confirmed' && !this.#positions.has(sent.id))) return false
    for (const group of this.#groups.values()) if (group.running.size > 0) return false
    return [...this.#groups.keys()].every((name) => this.#unfinished(name).length === 0)
  }

  /** Neither done nor dead, nor parked behind a dead letter. */
  #unfinished(groupName: string): number[] {
    const group = this.#groups.get(groupName) as Group
    const left: number[] = []
    for (let position = 1; position <= this.#stored.length; position++) {
      const place = group.places[position] ?? 'log'
      if (place === 'log' || (place === 'lot' && !group.parked.has(this.#laneOf(group, position) ?? ''))) left.push(position)
    }
    return left
  }

  /** The run does not come to rest: says of what. */
  unsettled(): void {
    for (const table of ['process', 'member', 'partition', 'lot_lane'])
      for (const row of this.#machine.view.all(`SELECT * FROM ${table}`)) this.#loop.log(() => `${table} ${JSON.stringify(row)}`)
    for (const sent of this.#sent.values())
      if (sent.state === 'open') this.#loop.violation(`the publish of ${sent.id} never ends`)
      else if (sent.state === 'confirmed' && !this.#positions.has(sent.id)) this.#loop.violation(`message ${sent.id} is lost: it was confirmed and is nowhere`)
    for (const [name, group] of this.#groups) {
      const left = this.#unfinished(name)
      if (left.length > 0)
        this.#loop.violation(
          `${name} never ends ${left.length} messages: ${left
            .slice(0, 5)
            .map((position) => `${position} (${group.places[position]})`)
            .join(', ')}`,
        )
      for (const { process, position } of group.running) this.#loop.violation(`${process.name} never ends message ${position} of ${name}`)
    }
  }

  /** What `sluice check` says of the file. */
  checkFile(): void {
    const { view } = this.#machine
    const findings = new Findings()
    const { seq } = view.one<{ seq: number }>('SELECT commit_seq AS seq FROM state')
    checkLog(view, seq, findings)
    checkGroups(view, findings)
    checkMessages(view, seq, findings)
    for (const { level, where, what } of findings.listed) if (level === 'error') this.#loop.violation(`the file: ${where} ${what}`)
  }

  /** After everybody has left: nobody is in the file any more. */
  checkLeft(): void {
    for (const table of ['process', 'member']) {
      const { rows } = this.#machine.view.one<{ rows: number }>(`SELECT count(*) AS rows FROM ${table}`)
      if (rows > 0) this.#loop.violation(`${rows} rows of ${table} are left`)
    }
  }

  get messages(): number {
    return this.#stored.length
  }
}
