/** Creating channels and groups, inside a write transaction. */
import { type ChannelDeclaration, type GroupDeclaration, SluiceError, type Topology } from '@sluice/core/transport'
import type { Database } from '../sqlite/connection.ts'

export interface ChannelRow {
  readonly id: number
  readonly name: string
  readonly kind: 'events' | 'commands' | 'reply'
  readonly partitions: number
  readonly next_position: number
  readonly first_position: number
}
export interface GroupRow {
  readonly id: number
  readonly channel_id: number
  readonly name: string
  readonly order_by: 'key' | 'channel' | 'none'
  readonly concurrency: number | null
  readonly ephemeral: number
  readonly paused: number
  readonly start_position: number
  readonly provisional: number
}

export const groupColumns = 'id, channel_id, name, order_by, concurrency, ephemeral, paused, start_position, provisional'
const channelColumns = 'id, name, kind, partitions, next_position, first_position'

export function channelByName(db: Database, name: string): ChannelRow | undefined {
  return db.get<ChannelRow>(`SELECT ${channelColumns} FROM channel WHERE name = ?`, name)
}

export function groupByName(db: Database, channel: string, group: string): GroupRow | undefined {
  return db.get<GroupRow>('SELECT g.* FROM consumer_group g JOIN channel c ON c.id = g.channel_id WHERE c.name = ? AND g.name = ?', channel, group)
}

/** Creates what is missing. Ephemeral groups are left to `consume`: they must not outlive a member that never came. */
export function declareTopology(db: Database, topology: Topology, defaultPartitions: number): void {
  for (const channel of topology.channels) declareChannel(db, channel, defaultPartitions)
  for (const group of topology.groups) if (!group.ephemeral) declareGroup(db, group)
}

export function declareChannel(db: Database, channel: ChannelDeclaration, defaultPartitions: number): ChannelRow {
  const { maxAgeMs = null, maxBytes = null, keepForGroups } = channel.retention ?? {}
  const known = channelByName(db, channel.name)
  if (known !== undefined) {
    if (known.kind !== channel.kind) {
      throw new SluiceError('CONTRACT_CONFLICT', `channel ${channel.name} carries ${known.kind}, not ${channel.kind}`, {
        fix: 'Give the contract another channel name',
      })
    }
    // Partitions only grow; a retention that is stated replaces an older one.
    if ((channel.partitions ?? 0) > known.partitions) {
      db.run('UPDATE channel SET partitions = ? WHERE id = ?', channel.partitions ?? 0, known.id)
      // Members that are there split what they have: nobody would tell them otherwise.
      db.run('UPDATE state SET change_seq = change_seq + 1')
    }
    if (channel.retention !== undefined) {
      db.run(
        'UPDATE channel SET retention_age_ms = ?, retention_bytes = ?, retention_keeps = ? WHERE id = ?',
        maxAgeMs,
        maxBytes,
        keepForGroups === false ? 0 : 1,
        known.id,
      )
    }
    return known
  }
  return db.one<ChannelRow>(
    // The smallest free id: reply channels come and go with every instance.
    `INSERT INTO channel (id, name, kind, partitions, retention_age_ms, retention_bytes, retention_keeps)
     VALUES (coalesce((SELECT min(id) + 1 FROM channel WHERE id + 1 NOT IN (SELECT id FROM channel)), 1), ?, ?, ?, ?, ?, ?) RETURNING ${channelColumns}`,
    channel.name,
    channel.kind,
    channel.partitions ?? defaultPartitions,
    maxAgeMs,
    maxBytes,
    keepForGroups === false ? 0 : 1,
  )
}

export function declareGroup(db: Database, group: GroupDeclaration): GroupRow {
  const channel = channelByName(db, group.channel)
  if (channel === undefined)
    throw new SluiceError('INVALID_OPTION', `group ${group.group} names the channel ${group.channel}, which nobody declared`, {
      fix: 'Declare the channel in the same call, or before',
    })
  const known = db.get<GroupRow>(`SELECT ${groupColumns} FROM consumer_group WHERE channel_id = ? AND name = ?`, channel.id, group.group)
  if (known !== undefined) return agree(db, channel, known, group)
  const start = startPosition(db, channel, group.from)
  const made = db.one<GroupRow>(
    `INSERT INTO consumer_group (channel_id, name, order_by, concurrency, ephemeral, start_position, provisional) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING ${groupColumns}`,
    channel.id,
    group.group,
    group.order,
    group.groupConcurrency ?? null,
    group.ephemeral ? 1 : 0,
    start,
    group.provisional === true ? 1 : 0,
  )
  db.run('UPDATE channel SET group_count = group_count + 1 WHERE id = ?', channel.id)
  makePartitions(db, channel, made.id, group, start, 0)
  return made
}

function makePartitions(db: Database, channel: ChannelRow, groupId: number, group: GroupDeclaration, cursor: number, doneCount: number): void {
  const modulus = group.order === 'channel' ? 1 : (group.groupConcurrency ?? channel.partitions)
  for (let residue = 0; residue < modulus; residue++) {
    db.run(
      `INSERT INTO partition (group_id, modulus, residue, owner, epoch, cursor, done, done_count, claimed, suspect_before, deaths)
       VALUES (?, ?, ?, NULL, 0, ?, '', ?, ?, 0, 0)`,
      groupId,
      modulus,
      residue,
      cursor,
      residue === 0 ? doneCount : 0,
      cursor,
    )
  }
}

/** The group is there: what is declared must agree with it, unless one of the two is a sender's guess. */
function agree(db: Database, channel: ChannelRow, known: GroupRow, group: GroupDeclaration): GroupRow {
  if (group.provisional === true) return known
  const same = known.order_by === group.order && (known.concurrency ?? undefined) === group.groupConcurrency
  if (same) {
    if (known.provisional === 1) db.run('UPDATE consumer_group SET provisional = 0 WHERE id = ?', known.id)
    return known
  }
  if (!canBeRelaid(db, known.id)) throw conflict(known, group)
  const { cursor, done } = db.one<{ cursor: number; done: number }>(
    'SELECT min(cursor) AS cursor, sum(done_count) AS done FROM partition WHERE group_id = ?',
    known.id,
  )
  db.run('DELETE FROM partition WHERE group_id = ?', known.id)
  makePartitions(db, channel, known.id, group, cursor, done)
  return db.one<GroupRow>(
    `UPDATE consumer_group SET order_by = ?, concurrency = ?, provisional = 0 WHERE id = ? RETURNING ${groupColumns}`,
    group.order,
    group.groupConcurrency ?? null,
    known.id,
  )
}

/** Partitions can be cut anew while nobody consumes and all of them stand at one position: nothing is half done. */
function canBeRelaid(db: Database, groupId: number): boolean {
  const row = db.one<{ positions: number; busy: number; members: number }>(
    `SELECT count(DISTINCT cursor) AS positions, count(owner) + sum(done <> '') AS busy, (SELECT count(*) FROM member WHERE group_id = ?1) AS members
     FROM partition WHERE group_id = ?1`,
    groupId,
  )
  return row.positions === 1 && row.busy === 0 && row.members === 0
}

function conflict(known: GroupRow, group: GroupDeclaration): SluiceError {
  const settings = (order: string, concurrency: number | null | undefined): string =>
    `order '${order}'${concurrency == null ? '' : ` and concurrency ${concurrency} over the group`}`
  return new SluiceError(
    'CONTRACT_CONFLICT',
    `group ${group.group} of ${group.channel} has ${settings(known.order_by, known.concurrency)}, not ${settings(group.order, group.groupConcurrency)}`,
    { fix: 'Use the same settings in all members; to change them, stop all members once the backlog is handled' },
  )
}

/** First position of the messages stored at or after a time; the end if there is none. */
export function positionAtTime(db: Database, channel: ChannelRow, timeMs: number): number {
  // Stored times never go back within a channel: halve.
  let low = channel.first_position
  let high = channel.next_position
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const block = db.get<{ first: number; count: number; stored_at_ms: number }>(
      'SELECT id & 17592186044415 AS first, count, stored_at_ms FROM block WHERE id <= ((?1 << 44) | ?2) AND id >= (?1 << 44) ORDER BY id DESC LIMIT 1',
      channel.id,
      middle,
    )
    if (block === undefined || block.first + block.count <= low) low = middle + 1
    else if (block.stored_at_ms < timeMs) low = block.first + block.count
    else high = block.first
  }
  return low
}

function startPosition(db: Database, channel: ChannelRow, from: GroupDeclaration['from']): number {
  if (from === 'end') return channel.next_position
  return from === 'start' ? channel.first_position : positionAtTime(db, channel, from)
}

/** Removes a group with everything it has; a reply channel goes with it. */
export function dropGroup(db: Database, groupId: number): void {
  const group = db.get<GroupRow>(`SELECT ${groupColumns} FROM consumer_group WHERE id = ?`, groupId)
  if (group === undefined) return
  db.run('DELETE FROM lot_entry WHERE lane_id IN (SELECT id FROM lot_lane WHERE group_id = ?)', groupId)
  for (const table of ['lot_lane', 'dead_letter', 'attempt', 'partition', 'group_type', 'member']) db.run(`DELETE FROM ${table} WHERE group_id = ?`, groupId)
  db.run('DELETE FROM consumer_group WHERE id = ?', groupId)
  const { kind } = db.one<{ kind: string }>('UPDATE channel SET group_count = group_count - 1 WHERE id = ? RETURNING kind', group.channel_id)
  if (kind !== 'reply') return
  db.run('DELETE FROM block WHERE id >= (?1 << 44) AND id < ((?1 + 1) << 44)', group.channel_id)
  db.run('DELETE FROM delayed WHERE channel_id = ?', group.channel_id)
  db.run('DELETE FROM deduplication WHERE channel_id = ?', group.channel_id)
  db.run('DELETE FROM channel WHERE id = ?', group.channel_id)
}

/** Ephemeral groups among these that have no member any more. */
export function dropAbandonedGroups(db: Database, groupIds: readonly number[]): void {
  for (const groupId of groupIds) {
    const left = db.get('SELECT 1 FROM consumer_group WHERE id = ?1 AND ephemeral = 1 AND NOT EXISTS (SELECT 1 FROM member WHERE group_id = ?1)', groupId)
    if (left !== undefined) dropGroup(db, groupId)
  }
}
