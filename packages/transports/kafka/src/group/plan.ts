/** Who should own what, as the leader of a generation plans it from what the members say. Pure. */
import { assignPartitions, partitionName } from '@sluice/core/transport'

/** What a member says when it joins. */
export interface MemberWord {
  /** The generation in which it came to own what it owns; −1: none. */
  readonly generation: number
  readonly owned: readonly number[]
  readonly types: readonly string[]
}

/** What a member is told. */
export interface Assignment {
  readonly own: readonly number[]
  /** Of what it owns: drain it and join again without it. */
  readonly giveUp: readonly number[]
  /** Type → members that handle it. */
  readonly types: Readonly<Record<string, number>>
}

/**
 * A partition that somebody owns is given to nobody else, who is only asked to give it up: it moves a generation later.
 * Of two who say that they own it (one missed a generation), the later generation counts, and then the lower name.
 */
export function plan(members: ReadonlyMap<string, MemberWord>, count: number, wants: Readonly<Record<number, string>>): ReadonlyMap<string, Assignment> {
  const owners = new Map<number, string>()
  const names = [...members.keys()].sort()
  for (const name of names) {
    const word = members.get(name) as MemberWord
    for (const partition of word.owned) {
      const other = owners.get(partition)
      if (other === undefined || (members.get(other)?.generation ?? -1) < word.generation) owners.set(partition, name)
    }
  }
  const handles = (name: string, type: string): boolean => members.get(name)?.types.includes(type) === true
  const wanted = assignPartitions(
    Array.from({ length: count }, (_, index) => partitionName(index, count)),
    names.map((id) => ({ id })),
    (partition, { id }) => {
      const type = wants[Number(partition.split('/')[0])]
      return type === undefined || handles(id, type) || !names.some((other) => handles(other, type))
    },
  )
  const types: Record<string, number> = {}
  for (const { types: own } of members.values()) for (const type of own) types[type] = (types[type] ?? 0) + 1
  const plans = new Map(names.map((name) => [name, { own: [] as number[], giveUp: [] as number[], types }]))
  for (let index = 0; index < count; index++) {
    const target = wanted.get(partitionName(index, count))?.id
    const owner = owners.get(index)
    if (owner === undefined || owner === target) plans.get(target ?? '')?.own.push(index)
    else plans.get(owner)?.giveUp.push(index)
  }
  return plans
}
