/** The dice of one image: a seed and a number name it. */
import type { Random } from '@sluice/core/testing'
import type { Chance, Fate } from './disk.ts'

/** Ways in which a disk forgets. */
const manners = ['nothing', 'everything', 'some', 'torn', 'first', 'one file', 'one lost'] as const
// Nothing but what was synced survives: the sharpest of them, and torn writes the most various.
const weights = [6, 1, 4, 6, 3, 3, 2]

/** Which manner, and the dice. */
export function chanceOf(random: Random, uncertain: number): { readonly manner: string; readonly chance: Chance } {
  const manner = pick(random)
  const share = [0.05, 0.3, 0.7, 0.97][Math.floor(random() * 4)] as number
  const names = random() < 0.5 ? 0 : random()
  const limit = Math.floor(random() * (uncertain + 1))
  const spared = ['bus.db', 'bus.db-wal'][Math.floor(random() * 2)]
  const sizes = random() < 0.3 ? 0.5 : 0
  let count = 0
  const change = (name: string): Fate => {
    count++
    switch (manner) {
      case 'nothing':
        return 'none'
      case 'everything':
        return 'all'
      case 'some':
        return random() < share ? 'all' : 'none'
      case 'torn': {
        if (random() < 0.3) return random() < share ? 'all' : 'none'
        return () => random() < share
      }
      case 'first':
        return count <= limit ? 'all' : 'none'
      case 'one file':
        return name === spared ? 'all' : 'none'
      case 'one lost':
        return count === limit ? 'none' : 'all'
    }
  }
  return {
    manner,
    chance: {
      change,
      size: () => random() < sizes,
      names: (_name, possible) => Math.floor(names * (possible + 1)),
    },
  }
}

function pick(random: Random): (typeof manners)[number] {
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0)
  for (const [index, weight] of weights.entries()) {
    left -= weight
    if (left < 0) return manners[index] as (typeof manners)[number]
  }
  return 'nothing'
}
