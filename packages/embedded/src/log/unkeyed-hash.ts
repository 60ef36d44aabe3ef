let state = (Math.random() * 0x1_0000_0000) >>> 0

/** A hash for a message without a key: consecutive ones are spread evenly over any number of partitions. */
export function unkeyedHash(): number {
  state = (state + 0x9e3779b9) >>> 0
  const hash = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  return (hash ^ (hash >>> 13)) >>> 0
}

/** Where the hashes of this process go on from: a simulation that is replayed spreads its messages as it did before. */
export function seedUnkeyedHashes(seed: number): void {
  state = seed >>> 0
}
