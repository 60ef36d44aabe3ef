import { attemptProof } from '../file/format.ts'
import { damagedRow } from '../log/envelope-row.ts'
import type { Database } from '../sqlite/connection.ts'
import type { AttemptRow, OwnedPartition, PartitionRow } from './owned-partition.ts'
import { encodeRanges } from './progress.ts'

/** Deliveries are recorded as possibly begun this far ahead, so that not every batch waits for a transaction. */
export const claimAhead = 2048

export function partitionRows(db: Database, groupId: number): PartitionRow[] {
  return db.all<PartitionRow>(
    'SELECT modulus, residue, owner, epoch, cursor, done, done_count, claimed, suspect_before, deaths, needs_type FROM partition WHERE group_id = ? ORDER BY modulus, residue',
    groupId,
  )
}

/** Takes a partition that is free, whose owner is no member any more, or which it lost sight of. undefined: somebody was faster. */
export function takePartition(db: Database, groupId: number, row: PartitionRow, memberId: number): OwnedPartitionRow | undefined {
  const taken = db.get<PartitionRow>(
    `UPDATE partition SET owner = ?1, epoch = epoch + 1,
       deaths = iif(owner IS NULL, iif(cursor >= suspect_before, 0, deaths), deaths + 1),
       suspect_before = iif(owner IS NULL, suspect_before, max(suspect_before, claimed))
     WHERE group_id = ?2 AND modulus = ?3 AND residue = ?4 AND epoch = ?5 AND (owner IS NULL OR owner = ?1 OR owner NOT IN (SELECT id FROM member))
     RETURNING modulus, residue, owner, epoch, cursor, done, done_count, claimed, suspect_before, deaths, needs_type`,
    memberId,
    groupId,
    row.modulus,
    row.residue,
    row.epoch,
  )
  if (taken === undefined) return undefined
  const attempts = db.all<AttemptRow & { readonly whole: number }>(
    `SELECT position, attempt, deliveries, not_before_ms, first_delivered_at_ms, note, proof IS ${attemptProof} AS whole FROM attempt WHERE group_id = ? AND position >= ?`,
    groupId,
    taken.cursor,
  )
  for (const { position, whole } of attempts) if (whole !== 1) throw damagedRow(`the attempt at position ${position}`)
  const lotEnd = taken.deaths === 0 ? 0 : (db.get<{ seq: number }>("SELECT seq FROM sqlite_sequence WHERE name = 'lot_entry'")?.seq ?? 0)
  return { row: taken, attempts, lotEnd }
}

export interface OwnedPartitionRow {
  readonly row: PartitionRow
  readonly attempts: readonly AttemptRow[]
  /** Id of the newest message in the lot; 0 where nobody died over it. */
  readonly lotEnd: number
}

/** Writes a partition's progress; false: it belongs to another owner now, nothing was written. */
export function writeProgress(db: Database, groupId: number, memberId: number, partition: OwnedPartition): boolean {
  const { cursor, ranges } = partition.progress()
  return (
    db.run(
      `UPDATE partition SET cursor = ?1, done = ?2, done_count = done_count + ?3, claimed = max(claimed, ?4), deaths = iif(?1 >= suspect_before, 0, deaths)
     WHERE group_id = ?5 AND modulus = ?6 AND residue = ?7 AND owner = ?8 AND epoch = ?9`,
      cursor,
      encodeRanges(ranges),
      partition.doneToWrite(db.transaction),
      partition.readFrom + claimAhead,
      groupId,
      partition.modulus,
      partition.residue,
      memberId,
      partition.epoch,
    ) === 1
  )
}

/** Gives a partition up after its progress was written: nothing of it is in anybody's hands. */
export function freePartition(db: Database, groupId: number, memberId: number, partition: OwnedPartition, needsType: string | undefined): void {
  db.run(
    `UPDATE partition SET owner = NULL, claimed = ?1, needs_type = coalesce(?2, needs_type)
     WHERE group_id = ?3 AND modulus = ?4 AND residue = ?5 AND owner = ?6 AND epoch = ?7`,
    partition.readFrom,
    needsType ?? null,
    groupId,
    partition.modulus,
    partition.residue,
    memberId,
    partition.epoch,
  )
}

/**
 * Splits a partition that is free, or whose owner is no member any more, in two: (r, m) becomes (r, 2m) and (r + m, 2m).
 * What a dead owner may have begun stays suspect in both.
 */
export function splitPartition(db: Database, groupId: number, row: PartitionRow): void {
  const removed = db.run(
    'DELETE FROM partition WHERE group_id = ? AND modulus = ? AND residue = ? AND epoch = ? AND (owner IS NULL OR owner NOT IN (SELECT id FROM member))',
    groupId,
    row.modulus,
    row.residue,
    row.epoch,
  )
  if (removed === 0) return
  for (const half of [0, 1]) {
    db.run(
      `INSERT INTO partition (group_id, modulus, residue, owner, epoch, cursor, done, done_count, claimed, suspect_before, deaths, needs_type)
       VALUES (?, ?, ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?)`,
      groupId,
      row.modulus * 2,
      row.residue + half * row.modulus,
      row.epoch + 1,
      row.cursor,
      row.done,
      half === 0 ? row.done_count : 0,
      row.claimed,
      row.owner === null ? row.suspect_before : Math.max(row.suspect_before, row.claimed),
      row.owner === null ? row.deaths : row.deaths + 1,
      row.needs_type,
    )
  }
}
