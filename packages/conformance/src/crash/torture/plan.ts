import { type Random, seededRandom } from '@sluice/core/transport'

/** What a handler does with one attempt. */
export type Behaviour =
  | 'return'
  | 'work'
  | 'throw'
  | 'reject'
  | 'retry-after'
  | 'retry-late'
  | 'hang'
  | 'block'
  | 'derive'
  | 'exit'
  | 'throw-unattended'
  | 'reject-late'

/** A group on the channel of orders. */
export interface GroupPlan {
  readonly name: string
  readonly members: number
  readonly order: 'key' | 'channel' | 'none'
  readonly concurrency: number
  readonly batch?: { readonly size: number; readonly waitMs: number; readonly perLane: 'one' | 'many' }
  readonly attempts: number
  readonly maxDelayMs: number
  readonly onDeadLetter: 'park' | 'continue'
  readonly timeoutMs: number
  /** Share of attempts that do so; the rest returns. */
  readonly behaviours: Readonly<Partial<Record<Behaviour, number>>>
  /** Member processes use the application's other SQLite library. */
  readonly lent: boolean
}

/** A process that publishes orders. */
export interface ProducerPlan {
  readonly style: 'one by one' | 'at once' | 'many' | 'transaction'
  readonly batch: number
  readonly pauseMs: number
  readonly keys: number
  readonly unkeyedShare: number
  readonly delayedShare: number
  readonly repeatedShare: number
  readonly expiringShare: number
  readonly lent: boolean
}

/** Something done to a process, or to all, at a time of the run. */
export interface FaultPlan {
  readonly atMs: number
  readonly kind:
    | 'kill'
    | 'kill-all'
    | 'kill-at-call'
    | 'fail-at-call'
    | 'slow-disk'
    | 'freeze'
    | 'stop'
    | 'clock'
    | 'redrive'
    | 'discard'
    | 'pause'
    | 'grow'
    | 'replay'
  /** Which process, of those that live then: an index, modulo. */
  readonly victim: number
  /** `kill-at-call`, `fail-at-call`: system call and the how-manieth from then on. */
  readonly call?: string
  readonly count?: number
  readonly error?: 'EIO' | 'ENOSPC'
  /** How long it lasts; `clock`: how far it jumps. */
  readonly ms?: number
}

/** All that is random in a run, made of its seed. */
export interface TorturePlan {
  readonly seed: number
  readonly durationMs: number
  readonly leaseMs: number
  readonly partitions: number
  readonly holdMaxMs: number
  /** Settlements are flushed and written down as confirmed; else they are left to the transport's own time. */
  readonly confirmSettlements: boolean
  readonly walBytesMax: number
  readonly groups: readonly GroupPlan[]
  readonly producers: readonly ProducerPlan[]
  readonly faults: readonly FaultPlan[]
  /** Of each producer's messages, so many commands, requests and notices for every instance; the first group's members handle them. */
  readonly shares: { readonly work: number; readonly question: number; readonly notice: number }
  /** After the faults: everybody is killed and others drain, or those who live do. */
  readonly killBeforeDrain: boolean
}

/** What the place of a run can do. */
export interface PlaceAbilities {
  readonly transactions: boolean
  readonly otherLibrary: boolean
  readonly systemCalls: boolean
}

/** What a run is heavy on; `mixed` is everything at once. */
export type TortureProfile = 'mixed' | 'freeze' | 'writes'

const from = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)] as T
const between = (random: Random, low: number, high: number): number => Math.round(low + random() * (high - low))

/** The plan of a seed: the same for ever, whatever machine it runs on. */
export function torturePlan(seed: number, able: PlaceAbilities, profile: TortureProfile): TorturePlan {
  const random = seededRandom(seed)
  const chance = (share: number): boolean => random() < share
  const durationMs = between(random, 900, 2_200)
  const clockJumps = profile === 'mixed' && chance(0.15)
  const replays = profile === 'mixed' && chance(0.05)
  const leaseMs = between(random, 600, 1_500)
  const groups = Array.from({ length: chance(0.3) ? 2 : 1 }, (_, n) => groupPlan(random, `g${n}`, able))
  const producers = Array.from({ length: between(random, 1, 3) }, () => producerPlan(random, able, clockJumps))
  const count = between(random, 1, 6)
  const faults = Array.from({ length: count }, () => faultPlan(random, { durationMs, leaseMs, clockJumps, replays, profile, systemCalls: able.systemCalls }))
  // A crash run has a crash.
  if (!faults.some(({ kind }) => kind.startsWith('kill') || kind === 'freeze'))
    faults.push({ atMs: between(random, 100, durationMs), kind: 'kill', victim: between(random, 0, 20) })
  return {
    seed,
    durationMs,
    leaseMs,
    partitions: between(random, 1, 12),
    holdMaxMs: from(random, [5, 20, 50, 200, 2_000]),
    confirmSettlements: chance(0.6),
    walBytesMax: from(random, [1024 * 1024, 4 * 1024 * 1024, 256 * 1024 * 1024]),
    groups,
    producers,
    faults: faults.sort((a, b) => a.atMs - b.atMs),
    killBeforeDrain: chance(0.4),
    shares: { work: chance(0.3) ? 0.2 : 0, question: chance(0.25) ? 0.05 : 0, notice: chance(0.2) ? 0.1 : 0 },
  }
}

function groupPlan(random: Random, name: string, able: PlaceAbilities): GroupPlan {
  const chance = (share: number): boolean => random() < share
  const deadly = chance(0.15)
  const behaviours: Partial<Record<Behaviour, number>> = {
    work: random() * 0.5,
    throw: chance(0.7) ? random() * 0.15 : 0,
    reject: chance(0.5) ? random() * 0.03 : 0,
    'retry-after': chance(0.3) ? random() * 0.05 : 0,
    'retry-late': chance(0.3) ? random() * 0.02 : 0,
    'reject-late': chance(0.3) ? random() * 0.05 : 0,
    derive: chance(0.4) ? random() * 0.3 : 0,
    hang: chance(0.2) ? random() * 0.005 : 0,
    block: chance(0.2) ? random() * 0.004 : 0,
    exit: deadly ? 0.002 : 0,
    'throw-unattended': deadly ? 0.002 : 0,
  }
  const batch = chance(0.25) ? { size: between(random, 2, 20), waitMs: from(random, [0, 0, 5]), perLane: from(random, ['one', 'many'] as const) } : undefined
  return {
    name,
    members: between(random, 1, 3),
    order: from(random, ['key', 'key', 'key', 'key', 'channel', 'none'] as const),
    concurrency: from(random, [1, 4, 16, 64]),
    ...(batch === undefined ? {} : { batch }),
    attempts: from(random, [1, 3, 5]),
    maxDelayMs: from(random, [10, 100, 400]),
    onDeadLetter: from(random, ['park', 'continue'] as const),
    timeoutMs: between(random, 150, 400),
    behaviours,
    lent: able.otherLibrary && chance(0.1),
  }
}

function producerPlan(random: Random, able: PlaceAbilities, clockJumps: boolean): ProducerPlan {
  const chance = (share: number): boolean => random() < share
  const style = from(
    random,
    able.transactions ? (['one by one', 'at once', 'at once', 'many', 'transaction'] as const) : (['one by one', 'at once', 'many'] as const),
  )
  return {
    style,
    batch: between(random, 1, 40),
    pauseMs: between(random, 2, 40),
    keys: from(random, [1, 5, 20, 100]),
    unkeyedShare: chance(0.5) ? 0.1 : 0,
    delayedShare: chance(0.3) && style !== 'transaction' ? 0.05 : 0,
    repeatedShare: chance(0.3) && !clockJumps && style !== 'transaction' ? 0.1 : 0,
    expiringShare: chance(0.15) ? 0.05 : 0,
    lent: able.otherLibrary && chance(0.1),
  }
}

interface FaultLimits {
  readonly durationMs: number
  readonly leaseMs: number
  readonly clockJumps: boolean
  readonly replays: boolean
  readonly profile: TortureProfile
  readonly systemCalls: boolean
}

const writes = ['pwrite64', 'pwrite64', 'fdatasync', 'fsync', 'ftruncate', 'unlink'] as const
const kinds: Readonly<Record<TortureProfile, readonly FaultPlan['kind'][]>> = {
  mixed: [
    'kill',
    'kill',
    'kill',
    'kill-all',
    'kill-at-call',
    'kill-at-call',
    'fail-at-call',
    'slow-disk',
    'freeze',
    'freeze',
    'stop',
    'redrive',
    'discard',
    'pause',
    'grow',
  ],
  freeze: ['freeze', 'freeze', 'freeze', 'freeze', 'kill', 'stop'],
  writes: ['kill-at-call', 'kill-at-call', 'kill-at-call', 'fail-at-call', 'kill'],
}

function faultPlan(random: Random, limits: FaultLimits): FaultPlan {
  const atMs = between(random, 50, limits.durationMs)
  const victim = between(random, 0, 20)
  const kind = from(random, [
    ...kinds[limits.profile],
    ...(limits.clockJumps ? (['clock', 'clock', 'clock', 'clock'] as const) : []),
    ...(limits.replays ? (['replay'] as const) : []),
  ])
  const hourMs = 3_600_000
  switch (kind) {
    case 'kill-at-call':
      if (!limits.systemCalls) return { atMs, victim, kind: 'kill' }
      return { atMs, victim, kind, call: from(random, writes), count: between(random, 1, 40) }
    case 'fail-at-call': {
      if (!limits.systemCalls) return { atMs, victim, kind: 'kill' }
      const call = from(random, ['pwrite64', 'fdatasync', 'fsync'] as const)
      return { atMs, victim, kind, call, count: between(random, 1, 20), error: call === 'pwrite64' ? 'ENOSPC' : 'EIO' }
    }
    case 'slow-disk':
      if (!limits.systemCalls) return { atMs, victim, kind: 'kill' }
      return { atMs, victim, kind, ms: from(random, [10, 50, 300]) }
    case 'freeze':
      return { atMs, victim, kind, ms: chanceOf(random, 0.7) ? limits.leaseMs + between(random, 50, 1_500) : between(random, 20, limits.leaseMs) }
    case 'clock':
      // An hour of daylight saving, minutes of NTP, a day, and beyond 2038.
      return { atMs, victim, kind, ms: from(random, [hourMs, -hourMs, 90_000, -90_000, 24 * hourMs, -24 * hourMs, 13 * 365 * 24 * hourMs]) }
    case 'pause':
      return { atMs, victim, kind, ms: between(random, 50, 400) }
    default:
      return { atMs, victim, kind }
  }
}

const chanceOf = (random: Random, share: number): boolean => random() < share
