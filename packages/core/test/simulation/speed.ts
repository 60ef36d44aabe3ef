/** What a message costs in the lane machine alone, and in the whole dispatcher over a transport that costs nothing. */
import { seededRandom, systemClock } from '../../src/clock/index.ts'
import { createGroupRunner, type HandlerBinding } from '../../src/endpoint/dispatch/index.ts'
import { LaneMachine } from '../../src/endpoint/lane/index.ts'
import { breakerOptions, retryPolicy } from '../../src/policy/index.ts'
import type { Consumer, Delivery, Transport } from '../../src/transport/index.ts'

const total = Number(process.env['MESSAGES'] ?? 1_000_000)
const batchSize = 500

function deliveries(keys: number): Delivery[] {
  return Array.from({ length: batchSize }, (_, i) => ({
    envelope: { id: `m${i}`, type: 't', source: 's', time: '', body: '{}', ...(keys === 0 ? {} : { partitionkey: `k${i % keys}` }) },
    partition: 'p',
    attempt: 0,
    deliveries: 0,
    firstDeliveredAtMs: undefined,
    notBeforeMs: 0,
    suspect: false,
    storedAtMs: 0,
    sizeBytes: 230,
    fromLot: false,
    note: undefined,
  }))
}

function machineAlone(keys: number): number {
  const machine = new LaneMachine<string>({ order: 'key', onDeadLetter: 'continue', holdMaxMs: 30_000, windowCount: 1_000, lot: true }, () => 'r')
  machine.assigned('p', [])
  const batch = deliveries(keys)
  const begun = performance.now()
  for (let done = 0; done < total; done += batchSize) {
    machine.setTime(done, done)
    for (const delivery of batch) machine.arrive(delivery, 'r')
    for (let entry = machine.take(); entry !== undefined; entry = machine.take()) machine.finish(entry, { kind: 'accept' })
    machine.accepts = []
  }
  return ((performance.now() - begun) * 1e6) / total
}

/** A transport that hands out the same deliveries again and again. */
function endless(batch: readonly Delivery[], finished: () => void): Transport {
  let left = total
  const consumer = {
    receive: (countMax: number) => {
      if (left <= 0) return new Promise<readonly Delivery[]>(() => undefined)
      left -= Math.min(batchSize, countMax)
      return Promise.resolve(countMax >= batchSize ? batch : batch.slice(0, countMax))
    },
    accept: () => left <= 0 && finished(),
    release: () => undefined,
    flush: () => Promise.resolve(),
    close: () => Promise.resolve(),
    groupTypes: () => new Map([['t', 1]]),
    lot: undefined,
  }
  const transport = {
    facts: { parkingLot: 'durable', handlingMsMax: Number.POSITIVE_INFINITY, publishOrder: 'kept', takeOverMs: 10_000 },
    consume: (_: unknown, observer: { assigned(partition: string, lanes: readonly never[]): void }) => {
      observer.assigned('p', [])
      return Promise.resolve(consumer as unknown as Consumer)
    },
  }
  return transport as unknown as Transport
}

async function wholeDispatcher(keys: number, run: HandlerBinding['run']): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const binding: HandlerBinding = {
    types: ['t'],
    retry: retryPolicy(),
    timeoutMs: undefined,
    batch: undefined,
    accepts: () => true,
    prepare: (delivery) => delivery.envelope.body,
    run,
  }
  const runner = createGroupRunner({
    transport: endless(deliveries(keys), resolve),
    subscription: {
      channel: 'c',
      group: 'g',
      from: 'start',
      order: 'key',
      ephemeral: false,
      kind: 'events',
      types: ['t'],
      windowCount: 1_000,
      windowBytes: 1e9,
    },
    bindings: [binding],
    concurrency: 16,
    onDeadLetter: 'continue',
    onNewerVersion: 'hold',
    holdMaxMs: 30_000,
    killSwitch: breakerOptions('killSwitch', {}),
    unhandled: 'skip',
    clock: systemClock,
    random: seededRandom(1),
    service: 's',
    instanceId: 'i',
    report: (event) => process.stderr.write(`${event.message}\n`),
  })
  const begun = performance.now()
  await runner.start()
  await promise
  const spentNs = ((performance.now() - begun) * 1e6) / total
  await runner.stop({ deadlineMs: 0 })
  return spentNs
}

const rows: [string, () => number | Promise<number>][] = [
  ['machine alone, unkeyed', () => machineAlone(0)],
  ['machine alone, 100 keys', () => machineAlone(100)],
  ['machine alone, 500 keys (each lane idle)', () => machineAlone(500)],
  ['dispatcher, synchronous handler, unkeyed', () => wholeDispatcher(0, () => undefined)],
  ['dispatcher, synchronous handler, 100 keys', () => wholeDispatcher(100, () => undefined)],
  ['dispatcher, asynchronous handler, 100 keys', () => wholeDispatcher(100, async () => undefined)],
]
for (const [name, measure] of rows) {
  await measure()
  const ns = await measure()
  process.stdout.write(`${name.padEnd(46)} ${ns.toFixed(0).padStart(6)} ns a message, ${(1e6 / ns).toFixed(0).padStart(6)} k/s\n`)
}
