/** What the engine's tests share: a place for a bus file, an open transport, messages, and a simple consumer. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  type Consumer,
  type ConsumerObserver,
  type DeadLetterReason,
  type Delivery,
  newId,
  type OutgoingMessage,
  type Subscription,
  systemClock,
  type Transport,
  type TransportContext,
  type TransportReport,
} from '@sluice/core/transport'
import { transport } from '@sluice/embedded'

/** A folder that is removed after the test; the path of a bus file in it. */
export function place(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-embedded-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'bus.db')
}

export function context(options: Readonly<Record<string, unknown>> = {}, reports: TransportReport[] = []): TransportContext {
  return { clock: systemClock, service: 'test', instanceId: newId(), options, report: (event) => void reports.push(event) }
}

export async function openBus(path: string, options: Readonly<Record<string, unknown>> = {}, reports: TransportReport[] = []): Promise<Transport> {
  const bus = await transport.open(`file:${path}`, context(options, reports))
  await bus.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [{ channel: 'c', group: 'g', from: 'start', order: 'key', ephemeral: false }] })
  return bus
}

export function message(body: string, key?: string, channel = 'c'): OutgoingMessage {
  return {
    channel,
    sizeBytes: 100 + body.length,
    envelope: { id: newId(), type: 't', source: 's', time: '2026-01-01T00:00:00.000Z', ...(key === undefined ? {} : { partitionkey: key }), body },
  }
}

/** Why a message is a dead letter, when it does not matter why. */
export const reason: DeadLetterReason = {
  code: 'HANDLER_FAILED',
  message: 'no',
  attempts: 1,
  deliveries: 1,
  firstDeliveredAtMs: 1,
  deadLetteredAtMs: 2,
  service: 's',
  instanceId: 'i',
  fingerprint: 'f',
}

/** Hears everything and does nothing. */
export const quietObserver: ConsumerObserver = {
  assigned: () => {},
  revoking: async () => {},
  lost: () => {},
  lostDeliveries: () => {},
  lotChanged: () => {},
  paused: () => {},
  settlementLost: () => {},
}

export function subscription(windowCount = 10_000): Subscription {
  return { channel: 'c', group: 'g', from: 'start', order: 'key', ephemeral: false, kind: 'events', types: ['t'], windowCount, windowBytes: 64 * 1024 * 1024 }
}

/** Joins the group `g`. */
export function joinGroup(bus: Transport, windowCount = 10_000): Promise<Consumer> {
  return bus.consume(subscription(windowCount), quietObserver)
}

/** Receives exactly `count` deliveries, or fails after a while. */
export async function take(consumer: Consumer, count: number, timeoutMs = 10_000): Promise<Delivery[]> {
  const taken: Delivery[] = []
  const late = setTimeout(() => void consumer.close(), timeoutMs)
  while (taken.length < count) {
    const some = await consumer.receive(count - taken.length, Number.POSITIVE_INFINITY)
    if (some.length === 0) throw new Error(`only ${taken.length} of ${count} came within ${timeoutMs} ms`)
    taken.push(...some)
  }
  clearTimeout(late)
  return taken
}

export function bodies(deliveries: readonly Delivery[]): string[] {
  return deliveries.map((delivery) => String(delivery.envelope.body))
}
