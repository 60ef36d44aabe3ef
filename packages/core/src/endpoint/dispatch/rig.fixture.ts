/** For the dispatcher's tests: a runner over the real in-memory transport. */
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { seededRandom, systemClock } from '../../clock/index.ts'
import type { Envelope } from '../../message/index.ts'
import { retryPolicy } from '../../policy/index.ts'
import type { Consumer, ConsumerObserver, GroupStatus, OutgoingMessage, Transport } from '../../transport/index.ts'
import { memoryTransport } from '../../transport/index.ts'
import type { HandlerBinding, RunEntry } from './binding.ts'
import { createGroupRunner } from './group-runner.ts'
import type { GroupRunner, GroupRunnerOptions } from './options.ts'

const open: Transport[] = []
const runners: GroupRunner[] = []
after(async () => {
  for (const runner of runners) await runner.stop({ deadlineMs: 0 })
  for (const transport of open) await transport.close()
})

let serial = 0

export function outgoing(key: string | undefined, body: string, more: Partial<Envelope> = {}): OutgoingMessage {
  const envelope: Envelope = {
    id: `m${++serial}`,
    type: 't',
    source: 'test',
    time: '2026-01-01T00:00:00.000Z',
    body,
    ...(key === undefined ? {} : { partitionkey: key }),
    ...more,
  }
  return { channel: 'c', envelope, sizeBytes: 100 + body.length }
}

/** What a test's handler does with the body of one message. */
export type Handle = (body: string, entry: RunEntry, signal: () => AbortSignal) => undefined | Promise<void>

export function binding(handle: Handle, more: Partial<HandlerBinding> = {}): HandlerBinding {
  return {
    types: ['t'],
    retry: retryPolicy({ attempts: 3, minDelayMs: 10, maxDelayMs: 10 }),
    timeoutMs: undefined,
    batch: undefined,
    accepts: () => true,
    prepare: (delivery) => delivery.envelope.body,
    run: (entries, call) => handle(String(entries[0]?.prepared), entries[0] as RunEntry, () => call.signal),
    ...more,
  }
}

/** A runner, its transport, and what it reported. */
export interface Rig {
  readonly transport: Transport
  readonly runner: GroupRunner
  readonly reports: string[]
  send(...messages: OutgoingMessage[]): Promise<void>
}

export async function rig(bindings: readonly HandlerBinding[], more: Partial<GroupRunnerOptions> = {}, windowCount = 100, shared?: Transport): Promise<Rig> {
  const reports: string[] = []
  const instanceId = `i${++serial}`
  const transport = shared ?? (await memoryTransport.open('memory:', { clock: systemClock, service: 'test', instanceId, report() {}, options: {} }))
  if (shared === undefined) {
    open.push(transport)
    await transport.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [] })
  }
  const runner = createGroupRunner({
    transport,
    subscription: {
      channel: 'c',
      group: 'g',
      from: 'start',
      order: 'key',
      ephemeral: false,
      kind: 'events',
      types: bindings.flatMap((b) => b.types),
      windowCount,
      windowBytes: 1e7,
    },
    bindings,
    concurrency: 16,
    onDeadLetter: 'continue',
    onNewerVersion: 'hold',
    holdMaxMs: 30_000,
    unhandled: 'skip',
    clock: systemClock,
    random: seededRandom(1),
    service: 'test',
    instanceId,
    report: (event) => void reports.push(event.message),
    ...more,
  })
  runners.push(runner)
  await runner.start()
  return {
    transport,
    runner,
    reports,
    send: async (...messages) => {
      const report = await transport.send(messages)
      assert.deepEqual(report.failures, [])
    },
  }
}

/** A rig, and what its transport would tell the runner. */
export interface Overheard extends Rig {
  readonly observer: ConsumerObserver
  readonly partitions: ReadonlySet<string>
  /** Tells that every partition is somebody else's now. */
  lose(): void
}

/** A runner over a transport of its own; `change` alters its consumer. */
export async function overheard(
  handlers: HandlerBinding | readonly HandlerBinding[],
  change: (consumer: Consumer, lose: () => void) => void = () => undefined,
  more: Partial<GroupRunnerOptions> = {},
): Promise<Overheard> {
  const transport = await memoryTransport.open('memory:', { clock: systemClock, service: 'test', instanceId: 'overheard', report() {}, options: {} })
  await transport.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [] })
  const consume = transport.consume.bind(transport)
  const partitions = new Set<string>()
  let observer: ConsumerObserver | undefined
  const lose = (): void => {
    for (const partition of partitions) observer?.lost(partition)
  }
  transport.consume = async (subscription, its) => {
    observer = its
    const assigned = its.assigned.bind(its)
    its.assigned = (partition, lanes) => {
      partitions.add(partition)
      assigned(partition, lanes)
    }
    const consumer = await consume(subscription, its)
    change(consumer, lose)
    return consumer
  }
  const made = await rig([handlers].flat(), more, 100, transport)
  assert.ok(observer)
  return { ...made, observer, partitions, lose }
}

export async function until(what: string, done: () => boolean | Promise<boolean>, withinMs = 3000): Promise<void> {
  const endMs = systemClock.nowMs() + withinMs
  while (!(await done())) {
    assert.ok(systemClock.nowMs() < endMs, `not within ${withinMs} ms: ${what}`)
    await sleep(2)
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => void systemClock.setTimer(ms, resolve, { keepAlive: true }))
export const status = async (transport: Transport): Promise<GroupStatus | undefined> => (await transport.admin.groups('c'))[0]
