import { randomFillSync } from 'node:crypto'

// 4,096 bytes serve 256 ids: one system call for many, and ids stay unpredictable.
const pool = new Uint8Array(4096)
let used = pool.length
let lastMs = 0
let counter = 0
const hex: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

/**
 * A new message id: UUID version 7 (RFC 9562 §5.7), sorted by time, with the 12 bits of `rand_a` as a counter so that
 * ids of one process increase strictly within a millisecond (method 1 of §6.2).
 */
export function newId(nowMs: number = Date.now()): string {
  if (nowMs > lastMs) {
    lastMs = nowMs
    counter = 0
  } else if (++counter > 0xfff) {
    lastMs++
    counter = 0
  }
  if (used + 8 > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const ms = lastMs
  const high = Math.floor(ms / 0x10000)
  const low = ms % 0x10000
  const b = used
  used += 8
  const h = (i: number): string => hex[pool[b + i] as number] as string
  return `${hex[high >>> 24]}${hex[(high >>> 16) & 255]}${hex[(high >>> 8) & 255]}${hex[high & 255]}-${hex[low >>> 8]}${hex[low & 255]}-7${hex[counter >>> 8]?.[1]}${hex[counter & 255]}-${hex[0x80 | ((pool[b] as number) & 0x3f)]}${h(1)}-${h(2)}${h(3)}${h(4)}${h(5)}${h(6)}${h(7)}`
}
