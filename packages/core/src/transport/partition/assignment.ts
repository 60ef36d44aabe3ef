import { keyHash } from './hash.ts'

/** A member of a group, as far as sharing out partitions is concerned. */
export interface PartitionMember {
  /** Unique in the group and equal in every member's view. */
  readonly id: string
}

/** Name of a partition. It holds the number of partitions too, so that names of before and after a growth differ. */
export function partitionName(index: number, partitions: number): string {
  return `${index}/${partitions}`
}

/**
 * Who should own which partition: rendezvous hashing with bounded load. Each partition goes to the member that ranks
 * highest for it and has room; nobody gets more than ⌈partitions / members⌉ while another has room. Every member that
 * sees the same members computes the same answer without talking, and a join or leave moves few partitions.
 * A wrong view costs balance, never order: exclusivity is the transport's lock.
 *
 * `mayOwn` excludes pairs (a member that lacks a type found in the partition); a partition that nobody may own is left
 * out, and the bound gives way where it must.
 */
export function assignPartitions<M extends PartitionMember>(
  partitions: readonly string[],
  members: readonly M[],
  mayOwn?: (partition: string, member: M) => boolean,
): ReadonlyMap<string, M> {
  const plan = new Map<string, M>()
  if (members.length === 0) return plan
  const loadMax = Math.ceil(partitions.length / members.length)
  const load = new Map<M, number>()
  for (const partition of partitions) {
    let best: M | undefined
    let bestFull = true
    let bestRank = -1
    for (const member of members) {
      if (mayOwn !== undefined && !mayOwn(partition, member)) continue
      const full = (load.get(member) ?? 0) >= loadMax
      const rank = keyHash(`${member.id}\n${partition}`)
      const better = best === undefined || (bestFull && !full) || (bestFull === full && (rank > bestRank || (rank === bestRank && member.id < best.id)))
      if (!better) continue
      best = member
      bestFull = full
      bestRank = rank
    }
    if (best === undefined) continue
    plan.set(partition, best)
    load.set(best, (load.get(best) ?? 0) + 1)
  }
  return plan
}

/**
 * Who owns a key, by its hash modulo the table's length; undefined: none of these partitions. They may be of several
 * generations (`modulus`), which differ by powers of two, so that the largest serves all.
 */
export function ownersByHash<P extends { readonly modulus: number; readonly residue: number }>(partitions: Iterable<P>): readonly (P | undefined)[] {
  const owned = [...partitions]
  const size = owned.reduce((largest, { modulus }) => Math.max(largest, modulus), 1)
  const table = new Array<P | undefined>(size).fill(undefined)
  for (const partition of owned) for (let i = partition.residue; i < size; i += partition.modulus) table[i] = partition
  return table
}

/**
 * For {@link assignPartitions}: a partition whose last owner could not handle a type (`wants`) goes to a member that can,
 * if there is one.
 */
export function mayOwnByTypes<M extends { readonly types: Iterable<string> }>(
  members: readonly M[],
  wants: (partition: string) => string | undefined,
): (partition: string, member: M) => boolean {
  const handles = ({ types }: M, wanted: string): boolean => {
    for (const type of types) if (type === wanted) return true
    return false
  }
  return (partition, member) => {
    const wanted = wants(partition)
    return wanted === undefined || handles(member, wanted) || !members.some((other) => handles(other, wanted))
  }
}
