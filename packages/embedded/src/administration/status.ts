/** Figures for `inspect`: exact, from counters; nothing here scans a backlog. */
import type { ChannelStatus, GroupStatus } from '@sluice/core/transport'
import { partitionRows } from '../group/ownership.ts'
import { decodeRanges, isDone, type Progress } from '../group/progress.ts'
import { ChannelReader } from '../log/reader.ts'
import type { Database } from '../sqlite/connection.ts'

/** What this process knows of members beside the file. */
export interface MembersNow {
  /** Deliveries with the members of this process, by member id. */
  readonly inHand: ReadonlyMap<number, number>
  /** Processes whose lease has run out or that are dead. */
  readonly gone: readonly number[]
}

interface GroupFigures {
  readonly id: number
  readonly channel_id: number
  readonly channel: string
  readonly name: string
  readonly paused: number
  readonly start_position: number
  readonly next_position: number
  readonly done: number
  readonly lot: number
  readonly parked: number
  readonly suspended: number
  readonly dead: number
}

export function groupStatus(db: Database, nowMs: number, members: MembersNow, channel?: string): GroupStatus[] {
  const rows = db.all<GroupFigures>(
    `SELECT g.id, g.channel_id, c.name AS channel, g.name, g.paused, g.start_position, c.next_position,
       (SELECT coalesce(sum(done_count), 0) FROM partition WHERE group_id = g.id) AS done,
       (SELECT coalesce(sum(count), 0) FROM lot_lane WHERE group_id = g.id) AS lot,
       (SELECT count(*) FROM lot_lane WHERE group_id = g.id AND state = 'parked') AS parked,
       (SELECT count(*) FROM lot_lane WHERE group_id = g.id AND state = 'suspended' AND count > 0) AS suspended,
       (SELECT count(*) FROM dead_letter WHERE group_id = g.id) AS dead
     FROM consumer_group g JOIN channel c ON c.id = g.channel_id WHERE ?1 IS NULL OR c.name = ?1 ORDER BY c.name, g.name`,
    channel ?? null,
  )
  return rows.map((row) => {
    const live = liveMembers(db, row.id, members)
    const inLog = logBacklog(row)
    const oldestMs = inLog + row.lot === 0 ? undefined : oldestStored(db, row, inLog)
    return {
      channel: row.channel,
      group: row.name,
      backlog: inLog + row.lot,
      oldestAgeMs: oldestMs === undefined ? 0 : Math.max(0, nowMs - oldestMs),
      inFlight: inFlight(live, members),
      deadLetters: row.dead,
      parkedLanes: row.parked,
      suspendedLanes: row.suspended,
      consumers: live.length,
      paused: row.paused === 1,
    }
  })
}

interface LiveMember {
  readonly id: number
  readonly process_id: number
  readonly in_flight: number
}

function liveMembers(db: Database, groupId: number, { gone }: MembersNow): LiveMember[] {
  return db.all<LiveMember>('SELECT id, process_id, in_flight FROM member WHERE group_id = ?', groupId).filter((member) => !gone.includes(member.process_id))
}

function inFlight(live: readonly LiveMember[], { inHand }: MembersNow): number {
  return live.reduce((sum, { id, in_flight }) => sum + (inHand.get(id) ?? in_flight), 0)
}

/** Messages of the log that a group has not finished: stored since its start, minus what its partitions counted. */
export function logBacklog(row: { readonly next_position: number; readonly start_position: number; readonly done: number }): number {
  return row.next_position - row.start_position - row.done
}

function oldestStored(db: Database, row: GroupFigures, inLog: number): number | undefined {
  const lot =
    db.get<{ at: number | null }>('SELECT min(e.stored_at_ms) AS at FROM lot_entry e JOIN lot_lane l ON l.id = e.lane_id WHERE l.group_id = ?', row.id)?.at ??
    undefined
  const log = inLog === 0 ? undefined : oldestInLog(db, row.id, row.channel_id)
  return lot === undefined || log === undefined ? (lot ?? log) : Math.min(lot, log)
}

/** When the oldest message was stored that the group has not finished in the log. Cursors lag little: a short walk. */
function oldestInLog(db: Database, groupId: number, channelId: number): number | undefined {
  const partitions = partitionRows(db, groupId).map((row) => ({ ...row, progress: { cursor: row.cursor, ranges: decodeRanges(row.done) } satisfies Progress }))
  const reader = new ChannelReader(db, channelId, 0)
  let position = Math.min(...partitions.map(({ cursor }) => cursor))
  for (;;) {
    const block = reader.next(position, 0)
    if (block === undefined) return undefined
    // Damaged: groups stop here.
    if (block.placeFault !== undefined) return typeof block.storedAtMs === 'number' ? block.storedAtMs : undefined
    for (let index = Math.max(0, position - block.first); index < block.count; index++) {
      const hash = block.hashAt(index)
      const partition = partitions.find((one) => hash % one.modulus === one.residue)
      if (partition !== undefined && !isDone(partition.progress, block.first + index)) return block.storedAtMs
    }
    position = block.end
  }
}

export function channelStatus(db: Database): ChannelStatus[] {
  return db
    .all<ChannelStatus>(
      `SELECT name AS channel, kind, next_position - 1 AS stored, next_position - first_position AS kept, unrouted,
       (SELECT count(*) FROM delayed WHERE channel_id = channel.id) AS scheduled
     FROM channel ORDER BY name`,
    )
    .map((row) => ({ ...row }))
}
