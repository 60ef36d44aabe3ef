import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Consumer, type Delivery, MemoryTransport, memoryTransport, type OutgoingMessage, type SendReport, type Transport } from '@sluice/core/transport'
import { busSubjects, transportSubjects } from '../cases/index.ts'
import { type Tampering, tamper } from '../chaos/index.ts'
import { setPatience } from '../probe/probe.ts'
import type { ConformanceCase } from './case.ts'
import { Rig } from './rig.ts'

/** A defect of a transport, and the case that must see it. */
interface Planted {
  readonly defect: string
  readonly caughtBy: string
  readonly tampering: Tampering
}

const passOn = (sound: Transport, change: (batch: readonly OutgoingMessage[]) => readonly OutgoingMessage[]): Partial<Transport> => ({
  send: (batch, options) => sound.send(change(batch), options),
})
const withoutFailures = (sound: Transport, batch: readonly OutgoingMessage[]): Promise<SendReport> =>
  Promise.all(batch.map((each) => sound.send([each]))).then(() => ({ failures: [] }))
let counter = 0
const every = (n: number): boolean => ++counter % n === 0

const planted: readonly Planted[] = [
  // sending
  {
    defect: 'confirms what it dropped',
    caughtBy: 'durable accept',
    tampering: { transport: (sound) => passOn(sound, (batch) => batch.filter(() => !every(9))) },
  },
  {
    defect: 'drops headers',
    caughtBy: 'every attribute of it',
    tampering: { transport: (sound) => passOn(sound, (batch) => batch.map(({ envelope: { headers: _, ...envelope }, ...rest }) => ({ ...rest, envelope }))) },
  },
  {
    defect: 'makes text of bytes',
    caughtBy: 'every attribute of it',
    tampering: {
      transport: (sound) =>
        passOn(sound, (batch) => batch.map((each) => ({ ...each, envelope: { ...each.envelope, body: Buffer.from(each.envelope.body).toString() } }))),
    },
  },
  {
    defect: 'cuts large bodies off',
    caughtBy: 'the largest body passes',
    tampering: {
      transport: (sound) =>
        passOn(sound, (batch) => batch.map((each) => ({ ...each, envelope: { ...each.envelope, body: each.envelope.body.slice(0, 1_000_000) } }))),
    },
  },
  {
    defect: 'stores what is too large',
    caughtBy: 'oversize: refused',
    tampering: { transport: (sound) => passOn(sound, (batch) => batch.map((each) => ({ ...each, sizeBytes: Math.min(each.sizeBytes, 100) }))) },
  },
  {
    defect: 'confirms what failed',
    caughtBy: 'oversize: refused',
    tampering: { transport: (sound) => ({ send: async (batch) => ({ ...(await sound.send(batch)), failures: [] }) }) },
  },
  {
    defect: 'sends on behind a failure of the key',
    caughtBy: 'one bad entry: later',
    tampering: { transport: (sound) => ({ send: (batch) => withoutFailures(sound, batch) }) },
  },
  { defect: 'reorders a batch', caughtBy: 'is the order of calls', tampering: { transport: (sound) => passOn(sound, (batch) => batch.toReversed()) } },
  {
    defect: 'lets later calls overtake',
    caughtBy: 'is the order of calls',
    tampering: {
      transport: (sound) => ({
        send: async (batch, options) => {
          if (every(3)) await new Promise((resolve) => setTimeout(resolve, 2))
          return sound.send(batch, options)
        },
      }),
    },
  },
  {
    defect: 'loses what is sent again',
    caughtBy: 'sent again under the same ids',
    tampering: { transport: (sound) => ({ send: async (batch, options) => (options?.resend === true ? { failures: [] } : sound.send(batch, options)) }) },
  },
  {
    defect: 'ignores rejectUnrouted',
    caughtBy: 'with rejectUnrouted',
    tampering: { transport: (sound) => passOn(sound, (batch) => batch.map(({ rejectUnrouted: _, ...each }) => each)) },
  },
  {
    defect: 'does not deduplicate',
    caughtBy: 'deduplicate: the second',
    tampering: { transport: (sound) => passOn(sound, (batch) => batch.map(({ deduplicate: _, ...each }) => each)) },
  },
  {
    defect: 'ignores a transaction',
    caughtBy: 'inside an application transaction:',
    tampering: { transport: (sound) => ({ send: (batch) => sound.send(batch) }) },
  },
  // groups
  { defect: 'delivers to one group only', caughtBy: 'fan-out: every group', tampering: { subscription: (asked) => ({ ...asked, group: 'same' }) } },
  {
    defect: 'gives every member a copy',
    caughtBy: 'competing consumers',
    tampering: { subscription: (asked) => ({ ...asked, group: `${asked.group}${++counter}` }) },
  },
  {
    defect: 'starts late groups at the end',
    caughtBy: 'collects before anybody consumes',
    tampering: { subscription: (asked) => ({ ...asked, from: 'end' }) },
  },
  {
    defect: 'keeps groups of instances that are gone',
    caughtBy: 'broadcast: each instance',
    tampering: { subscription: (asked) => ({ ...asked, ephemeral: false }) },
  },
  { defect: 'ignores the window', caughtBy: 'the window bounds', tampering: { subscription: (asked) => ({ ...asked, windowCount: 1_000, windowBytes: 1e9 }) } },
  {
    defect: 'ignores the bounds of receive',
    caughtBy: 'receive respects its own bounds',
    tampering: { consumer: (sound) => ({ receive: () => sound.receive(1_000, 1e9) }) },
  },
  { defect: 'does not pause', caughtBy: 'paused: nothing', tampering: { admin: () => ({ setPaused: async () => {} }) } },
  { defect: 'forgets groups that are in use', caughtBy: 'forgotten only when nobody', tampering: { admin: () => ({ removeGroup: async () => {} }) } },
  {
    defect: 'knows only its own types',
    caughtBy: 'union over its members',
    tampering: { consumer: (_, asked) => ({ groupTypes: () => new Map(asked.types.map((type) => [type, 1])) }) },
  },
  { defect: 'does not yield', caughtBy: 'handles the type found in it', tampering: { consumer: () => ({ yieldPartition() {} }) } },
  {
    defect: 'does not bound the group',
    caughtBy: 'concurrency over the whole group',
    tampering: { subscription: ({ groupConcurrency: _, ...asked }) => asked },
  },
  {
    defect: 'counts no consumers',
    caughtBy: 'number of live consumers',
    tampering: { admin: (sound) => ({ groups: async (channel) => (await sound.groups(channel)).map((group) => ({ ...group, consumers: 0 })) }) },
  },
  // settlement
  { defect: 'forgets acceptances', caughtBy: 'accept: never again', tampering: { consumer: () => ({ accept() {} }) } },
  { defect: 'accepts everything before', caughtBy: 'accepted out of order', tampering: { consumer: (sound) => watermark(sound) } },
  {
    defect: 'drops what is released',
    caughtBy: 'release: comes again',
    tampering: { consumer: (sound) => ({ release: (deliveries) => sound.accept(deliveries) }) },
  },
  { defect: 'forgets attempts', caughtBy: 'attempts, back-off and note survive', tampering: { consumer: () => ({ record: async () => {} }) } },
  { defect: 'keeps what a leaving member held', caughtBy: 'leaving releases', tampering: { consumer: () => ({ close: async () => {} }) } },
  { defect: 'loses settlements in silence', caughtBy: 'a lost settlement is reported', tampering: { observer: () => ({ settlementLost() {} }) } },
  { defect: 'takes the dead letter of a stranger', caughtBy: 'a lost settlement is reported', tampering: { consumer: () => ({ deadLetter: async () => {} }) } },
  {
    defect: 'loses the lease of a slow handler',
    caughtBy: 'longer than the lease',
    tampering: { consumer: (sound, _, transport) => ({ receive: losesLease(sound, transport) }) },
  },
  {
    defect: 'takes over without a word of suspicion',
    caughtBy: 'a dead member is taken over',
    tampering: {
      consumer: (sound) => ({ receive: async (count, bytes) => (await sound.receive(count, bytes)).map((delivery) => ({ ...delivery, suspect: false })) }),
    },
  },
  // ordering
  { defect: 'shares keys out', caughtBy: 'a key is in one partition', tampering: { subscription: (asked) => ({ ...asked, order: 'none' }) } },
  { defect: 'hands over without draining', caughtBy: 'hand-over drains first', tampering: { observer: () => ({ revoking: async () => {} }) } },
  {
    defect: 'orders by key where the channel was asked for',
    caughtBy: 'the whole channel in one line, where',
    tampering: { subscription: (asked) => ({ ...asked, order: 'key' }) },
  },
  {
    defect: 'delivers backwards',
    caughtBy: 'a key is in one partition',
    tampering: { consumer: (sound) => ({ receive: async (count, bytes) => (await sound.receive(count, bytes)).toReversed() }) },
  },
  // lot
  {
    defect: 'moves into the lot backwards',
    caughtBy: 'suspend: moved in order',
    tampering: {
      consumer: (sound) => ({
        lot: { ...lotOf(sound), move: (lane, deliveries, state, first) => lotOf(sound).move(lane, deliveries.toReversed(), state, first) },
      }),
    },
  },
  {
    defect: 'reads parked lanes',
    caughtBy: 'park: the lane is parked',
    tampering: {
      consumer: (sound) => ({ lot: { ...lotOf(sound), read: async (partition, lane, count) => (await lotOf(sound).read(partition, lane, count)) ?? [] } }),
    },
  },
  {
    defect: 'announces no lanes',
    caughtBy: 'a suspended lane survives',
    tampering: { observer: (sound) => ({ assigned: (partition) => sound.assigned(partition, []) }) },
  },
  {
    defect: 'parks only when a successor comes',
    caughtBy: 'park with nothing behind it',
    tampering: { consumer: (sound) => ({ deadLetter: (records) => sound.deadLetter(records.map((record) => ({ ...record, mode: 'continue' }))) }) },
  },
  {
    defect: 'forgets the reason',
    caughtBy: 'a dead letter keeps',
    tampering: {
      consumer: (sound) => ({ deadLetter: (records) => sound.deadLetter(records.map((record) => ({ ...record, reason: { ...record.reason, message: '' } }))) }),
    },
  },
  {
    defect: 'finds dead letters by nothing',
    caughtBy: 'dead letters are found',
    tampering: { admin: (sound) => ({ deadLetters: (channel, group) => sound.deadLetters(channel, group, {}) }) },
  },
  { defect: 'redrives without telling', caughtBy: 'redrive of what was not parked', tampering: { observer: () => ({ lotChanged() {} }) } },
  { defect: 'discards nothing', caughtBy: 'discard: the successors', tampering: { admin: () => ({ discard: async () => 1 }) } },
  { defect: 'purges nothing', caughtBy: 'purge drops', tampering: { admin: () => ({ purge: async () => 8 }) } },
  // time
  {
    defect: 'does not delay',
    caughtBy: 'delay: not before',
    tampering: { transport: (sound) => passOn(sound, (batch) => batch.map(({ notBeforeMs: _, ...each }) => each)) },
  },
  { defect: 'cancels nothing', caughtBy: 'can be cancelled', tampering: { admin: () => ({ cancel: async () => true }) } },
  {
    defect: 'fires schedules twice',
    caughtBy: 'of many who fire one',
    tampering: {
      admin: (sound) => ({
        fireSchedule: async (...asked) => {
          await sound.fireSchedule(...asked)
          return true
        },
      }),
    },
  },
  // administration
  {
    defect: 'guesses the backlog',
    caughtBy: 'backlog, oldest age',
    tampering: { admin: (sound) => ({ groups: async (channel) => (await sound.groups(channel)).map((group) => ({ ...group, backlog: group.backlog + 1 })) }) },
  },
  {
    defect: 'browses the first page for ever',
    caughtBy: 'browse reads page by page',
    tampering: {
      admin: (sound) => ({ browse: async (channel, { limit }) => ({ ...(await sound.browse(channel, { limit })), next: every(4) ? undefined : 'x' }) }),
    },
  },
  {
    defect: 'replays everything',
    caughtBy: 'replay: what was accepted',
    tampering: { admin: (sound) => ({ replay: (channel, group) => sound.replay(channel, group, undefined, undefined) }) },
  },
  {
    defect: 'trims below a slow group',
    caughtBy: 'retention trims',
    tampering: {
      transport: (sound) => ({
        declare: (topology) =>
          sound.declare({
            ...topology,
            channels: topology.channels.map((channel) => ({ ...channel, retention: { ...channel.retention, keepForGroups: false } })),
          }),
      }),
    },
  },
  // the bus over it
  {
    defect: 'drops the version of the contract',
    caughtBy: 'an older version is upcast',
    tampering: {
      transport: (sound) => passOn(sound, (batch) => batch.map(({ envelope: { schemaversion: _, ...envelope }, ...rest }) => ({ ...rest, envelope }))),
    },
  },
  {
    defect: 'forgets attempts over a restart',
    caughtBy: 'attempts and back-off survive',
    tampering: {
      consumer: (sound) => ({
        receive: async (count, bytes) => (await sound.receive(count, bytes)).map((delivery) => Object.assign(delivery, { attempt: 0, notBeforeMs: 0 })),
      }),
    },
  },
  {
    defect: 'reads the lot backwards',
    caughtBy: 'park: the successors wait',
    tampering: {
      consumer: (sound) => ({
        lot: { ...lotOf(sound), read: async (partition, lane, count) => (await lotOf(sound).read(partition, lane, count))?.toReversed() },
      }),
    },
  },
  {
    defect: 'delivers backwards',
    caughtBy: 'under concurrency, with retries',
    tampering: { consumer: (sound) => ({ receive: async (count, bytes) => (await sound.receive(count, bytes)).toReversed() }) },
  },
  {
    defect: 'loses some replies',
    caughtBy: 'a request is answered',
    tampering: { transport: (sound) => passOn(sound, (batch) => batch.filter((each) => each.envelope.replyfor === undefined || !every(20))) },
  },
  {
    defect: 'counts what was released as attempts',
    caughtBy: 'stop at its deadline',
    tampering: {
      consumer: (sound) => ({
        receive: async (count, bytes) => (await sound.receive(count, bytes)).map((delivery) => Object.assign(delivery, { attempt: delivery.deliveries })),
      }),
    },
  },
]

function lotOf(consumer: Consumer): NonNullable<Consumer['lot']> {
  assert.ok(consumer.lot)
  return consumer.lot
}

/** Accepts, with each delivery, all that were received before it. */
function watermark(sound: Consumer): Partial<Consumer> {
  const received: Delivery[] = []
  return {
    receive: async (count, bytes) => {
      const deliveries = await sound.receive(count, bytes)
      received.push(...deliveries)
      return deliveries
    },
    accept: (deliveries) => sound.accept(received.splice(0, received.indexOf(deliveries.at(-1) as Delivery) + 1)),
  }
}

/** Fences its own member half a lease after a delivery. */
function losesLease(sound: Consumer, transport: Transport): Consumer['receive'] {
  return (count, bytes) => {
    if (transport instanceof MemoryTransport) setTimeout(() => transport.fence(), 50)
    return sound.receive(count, bytes)
  }
}

function find(name: string): ConformanceCase {
  const found = [...transportSubjects, ...busSubjects].flatMap((subject) => subject.cases).filter((each) => each.name.includes(name))
  assert.equal(found.length, 1, `one case is named "${name}"`)
  return found[0] as ConformanceCase
}

async function judge(each: ConformanceCase, tampering: Tampering, url: string): Promise<void> {
  const factory = tamper(memoryTransport, tampering)
  const rig = new Rig({ factory, url, crash: (transport) => void (transport as MemoryTransport).crash() })
  try {
    const { facts } = await rig.open()
    if (each.needs?.(facts) === undefined) await each.run(rig, each.messages?.whole ?? 0)
    else await each.refused?.(rig)
  } finally {
    await rig.close()
  }
}

// Waiting in vain is how most defects show. That the cases pass on a sound transport is proven by test/memory.test.ts.
setPatience(400)

for (const [i, { defect, caughtBy, tampering }] of planted.entries()) {
  test(`a transport that ${defect} is caught by "${caughtBy}"`, { timeout: 20_000 }, async () => {
    const each = find(caughtBy)
    await assert.rejects(judge(each, tampering, `memory:planted-${i}`))
  })
}
