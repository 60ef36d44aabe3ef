import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom } from '../../clock/index.ts'
import {
  announceTypes,
  doneIf,
  type RegisteredChannel,
  type RegisteredGroup,
  type RegistryOutcome,
  RegistryTables,
  type SharedRecord,
  settleOrder,
} from './tables.ts'

const dayMs = 24 * 3_600_000

type Declared = Pick<RegisteredGroup, 'channel' | 'group' | 'order' | 'provisional'>
type TestRecord =
  | SharedRecord
  | { readonly op: 'channel'; readonly name: string; readonly kind: RegisteredChannel['kind'] }
  | ({ readonly op: 'group' } & Declared)
  | { readonly op: 'types'; readonly channel: string; readonly group: string; readonly types: readonly string[]; readonly nowMs: number }

/** The least that a transport makes of it. */
class Registry extends RegistryTables<RegisteredChannel, RegisteredGroup> {
  apply(record: TestRecord): RegistryOutcome {
    switch (record.op) {
      case 'channel': {
        const known = this.channels.get(record.name)
        if (known === undefined) this.channels.set(record.name, { name: record.name, kind: record.kind })
        return doneIf(known === undefined || known.kind === record.kind)
      }
      case 'group': {
        const { channel, group, order, provisional } = record
        const known = this.group(channel, group)
        if (known !== undefined) return doneIf(settleOrder(known, record) !== 'refused')
        this.putGroup({ channel, group, order, provisional, ephemeral: false, paused: false, types: {}, wants: {} })
        return 'done'
      }
      case 'types': {
        const known = this.group(record.channel, record.group)
        if (known !== undefined) announceTypes(known.types, record.types, record.nowMs)
        return doneIf(known !== undefined)
      }
      default:
        return this.applyShared(record)
    }
  }

  snapshot(): string {
    return JSON.stringify(this.tables())
  }

  static from(snapshot: string): Registry {
    const registry = new Registry()
    registry.apply({ op: 'channel', name: 'what was here before', kind: 'events' })
    registry.restoreTables(JSON.parse(snapshot))
    return registry
  }
}

function anyRecord(random: Random, nowMs: number): TestRecord {
  const pick = <T>(...of: readonly T[]): T => of[Math.floor(random() * of.length)] as T
  const name = pick('c', 'd')
  const at = { channel: name, group: pick('g', 'h', 'g\nh') }
  return pick<() => TestRecord>(
    () => ({ op: 'channel', name, kind: pick('events', 'commands') }),
    () => ({ op: 'channel-gone', name }),
    () => ({ op: 'group', ...at, order: pick('key', 'channel', 'none'), provisional: random() < 0.5 }),
    () => ({ op: 'group-gone', ...at }),
    () => ({ op: 'types', ...at, types: [pick('t', 'u')], nowMs }),
    () => ({ op: 'wants', ...at, partition: pick<string | number>('0/2', '1/2', 1), type: pick('t', 'u') }),
    () => ({ op: 'paused', ...at, paused: random() < 0.5 }),
  )()
}

test('whoever reads the records from the beginning, or a snapshot and the rest, comes to the same outcomes and the same state', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(seed)
    const first = new Registry()
    let later: Registry | undefined
    for (let number = 0; number < 80; number++) {
      if (random() < 0.05) later = Registry.from(first.snapshot())
      const record = anyRecord(random, number * 0.2 * dayMs)
      const before = first.snapshot()
      const came = first.apply(record)
      if (later !== undefined) assert.equal(later.apply(record), came, `seed ${seed}, record ${number}`)
      if (later !== undefined) assert.equal(later.snapshot(), first.snapshot(), `seed ${seed}, record ${number}`)
      if (came === 'refused') assert.equal(first.snapshot(), before, `seed ${seed}: what is refused changes nothing`)
    }
  }
})

test('a group is its channel and its name; without a channel, all are listed', () => {
  const registry = new Registry()
  const declared = { op: 'group', order: 'key', provisional: false } as const
  for (const [channel, group] of [
    ['c', 'g'],
    ['c', 'h'],
    ['d', 'g'],
  ] as const)
    registry.apply({ ...declared, channel, group })
  assert.deepEqual([registry.groups('c').length, registry.groups().length], [2, 3])
  assert.equal(registry.apply({ op: 'group-gone', channel: 'c', group: 'g' }), 'done')
  assert.equal(registry.apply({ op: 'group-gone', channel: 'c', group: 'g' }), 'refused')
  assert.deepEqual([registry.group('c', 'g'), registry.group('d', 'g')?.channel], [undefined, 'd'])
})

test('what only a sender guessed the first member decides, and then nobody else', () => {
  const known = { order: 'key', provisional: true } as { order: RegisteredGroup['order']; provisional: boolean }
  assert.equal(settleOrder(known, { order: 'none', provisional: true }), 'known')
  assert.deepEqual(known, { order: 'key', provisional: true })
  assert.equal(settleOrder(known, { order: 'channel', provisional: false }), 'settled')
  assert.equal(settleOrder(known, { order: 'channel', provisional: false }), 'known')
  assert.equal(settleOrder(known, { order: 'key', provisional: false }), 'refused')
  assert.equal(settleOrder(known, { order: 'key', provisional: true }), 'known')
  assert.deepEqual(known, { order: 'channel', provisional: false })
})

test('types that nobody announces for a day are forgotten, but for those of a live member', () => {
  const known: Record<string, number> = {}
  announceTypes(known, ['old', 'live', 'both'], 0)
  announceTypes(known, ['both', 'new'], dayMs)
  assert.deepEqual(Object.keys(known).sort(), ['both', 'live', 'new', 'old'])
  announceTypes(known, [], dayMs + 1, (type) => type === 'live')
  assert.deepEqual(Object.keys(known).sort(), ['both', 'live', 'new'])
})
