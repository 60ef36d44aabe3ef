/** What settling writes about one partition, inside a write transaction, and what follows once that is committed. */
import type { Database } from '../sqlite/connection.ts'
import type { Member } from './member.ts'
import type { OwnedPartition } from './owned-partition.ts'
import { claimAhead, writeProgress } from './ownership.ts'

/** Progress and finished attempts of one partition; false: fenced. Not for the loop's state: that is `afterWrite`. */
export function writePartition(db: Database, member: Member, partition: OwnedPartition): boolean {
  if (!writeProgress(db, member.groupId, member.memberId, partition)) return false
  for (const position of partition.finishedAttempts) db.run('DELETE FROM attempt WHERE group_id = ? AND position = ?', member.groupId, position)
  return true
}

/** Once `writePartition` is committed. Nothing can have been settled in between: both run in one turn of the loop. */
export function afterWrite(partition: OwnedPartition): void {
  partition.written()
  partition.dirty = false
  for (const position of partition.finishedAttempts) partition.attempts.delete(position)
  partition.finishedAttempts = []
  partition.claimed = Math.max(partition.claimed, partition.readFrom + claimAhead)
  partition.writtenReadFrom = partition.readFrom
  partition.compact()
}

/** What was read of a lane and not settled is void: back in the lot. */
export function voidLane(partition: OwnedPartition, lane: string): void {
  for (const [id, delivery] of partition.lotReads) {
    // A settled one stays until it is removed from the file.
    if (delivery.lane !== lane || delivery.state === 'settled') continue
    delivery.state = 'void'
    partition.lotReads.delete(id)
  }
}
