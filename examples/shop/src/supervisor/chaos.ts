/** `kill -9` at random moments. Which service and when follows from the seed; where its code is then, nobody knows. */
import { setTimeout as sleep } from 'node:timers/promises'
import { serviceNames } from '../services/topology.ts'
import type { Children } from './children.ts'

// Long enough for a killed process to come back now and then, short enough to hit several at once.
const pauseMsMin = 300
const pauseMsSpread = 1_200

/** A small seeded generator (mulberry32) of numbers in [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Kills until `signal` aborts; resolves to the number of deaths. */
export async function killAtRandom(children: Children, seed: number, signal: AbortSignal, told: (text: string) => void): Promise<number> {
  const random = seededRandom(seed)
  let kills = 0
  while (!signal.aborted) {
    await sleep(pauseMsMin + random() * pauseMsSpread, undefined, { signal }).catch(() => {})
    const victim = serviceNames[Math.floor(random() * serviceNames.length)] ?? 'order'
    if (signal.aborted) break
    const pid = children.pid(victim)
    if (children.kill(victim)) {
      kills++
      told(`kill -9 ${pid} (${victim})`)
    }
  }
  return kills
}
