import { assignPartitions, mayOwnByTypes } from '@sluice/core/transport'
import type { PartitionRow } from './owned-partition.ts'

/** A row of the table `member`. */
export interface MemberRow {
  readonly id: number
  readonly process_id: number
  /** JSON list of the message types it handles. */
  readonly types: string
}

export function nameOf(row: { readonly residue: number; readonly modulus: number }): string {
  return `${row.residue}/${row.modulus}`
}

/**
 * Which member should own which partition, by name: the same for everybody who sees the same rows. A partition in which
 * a type was found that its owner lacked goes to a member that handles it, while there is one. Pure.
 */
export function planOwners(rows: readonly PartitionRow[], live: readonly MemberRow[]): ReadonlyMap<string, number> {
  const wants = new Map(rows.map((row) => [nameOf(row), row.needs_type ?? undefined]))
  const members = live.map((row) => ({ id: String(row.id), number: row.id, types: JSON.parse(row.types) as string[] }))
  const mayOwn = mayOwnByTypes(members, (partition) => wants.get(partition))
  const plan = assignPartitions(rows.map(nameOf), members, mayOwn)
  return new Map([...plan].map(([name, { number }]) => [name, number]))
}
