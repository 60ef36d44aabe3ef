/** Who should own what, as the leader of a generation plans it from what the members say. Pure. */

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
  /** Nobody gives anything up: it stays like this while nobody comes or goes. */
  readonly isSettled: boolean
}

/**
 * A partition that somebody owns is given to nobody else, who is only asked to give it up: it moves a generation later.
 * Nothing moves but for balance, or for a type. Of two who say that they own it (one missed a generation), the later generation counts, and then the lower name.
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
  const mayOwn = (name: string, partition: number): boolean => {
    const type = wants[partition]
    return type === undefined || handles(name, type) || !names.some((other) => handles(other, type))
  }
  const owned = new Map(names.map((name) => [name, [] as number[]]))
  for (const [partition, name] of [...owners].sort(([a], [b]) => a - b)) if (mayOwn(name, partition)) owned.get(name)?.push(partition)
  const quotas = shares(owned, count)
  const plans = new Map(names.map((name) => [name, { own: [] as number[], giveUp: [] as number[], types: counted(members), isSettled: true }]))
  const load = new Map(names.map((name) => [name, 0]))
  const free: number[] = []
  for (let index = 0; index < count; index++) {
    const owner = owners.get(index)
    if (owner === undefined) free.push(index)
    else if (mayOwn(owner, index) && (load.get(owner) ?? 0) < (quotas.get(owner) ?? 0)) {
      plans.get(owner)?.own.push(index)
      load.set(owner, (load.get(owner) ?? 0) + 1)
    } else plans.get(owner)?.giveUp.push(index)
  }
  for (const index of free) {
    const [target] = names.filter((name) => mayOwn(name, index)).sort((a, b) => room(b) - room(a) || (a < b ? -1 : 1))
    if (target === undefined) continue
    plans.get(target)?.own.push(index)
    load.set(target, (load.get(target) ?? 0) + 1)
  }
  const isSettled = [...plans.values()].every(({ giveUp }) => giveUp.length === 0)
  for (const one of plans.values()) one.isSettled = isSettled
  return plans

  function room(name: string): number {
    return (quotas.get(name) ?? 0) - (load.get(name) ?? 0)
  }
}

/** How many each should have: as even as can be, the odd ones with those that have most already, so that little moves. */
function shares(owned: ReadonlyMap<string, readonly number[]>, count: number): ReadonlyMap<string, number> {
  const byLoad = [...owned].sort(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1)).map(([name]) => name)
  const even = Math.floor(count / byLoad.length)
  return new Map(byLoad.map((name, i) => [name, even + (i < count % byLoad.length ? 1 : 0)]))
}

function counted(members: ReadonlyMap<string, MemberWord>): Readonly<Record<string, number>> {
  const types: Record<string, number> = {}
  for (const { types: own } of members.values()) for (const type of own) types[type] = (types[type] ?? 0) + 1
  return types
}
