import {
  type Clock,
  type ConsumerObserver,
  type DeadLetterReason,
  type Envelope,
  newId,
  type Subscription,
  systemClock,
  type Transport,
  type TransportReport,
} from '@sluice/core/transport'
import { transport } from './index.ts'

const { SLUICE_TEST_RABBITMQ_URL: server = '', SLUICE_TEST_RABBITMQ_MANAGEMENT: management = '' } = process.env

/** One request to the management plugin of the test server. */
export async function manage(method: 'GET' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
  const { origin, username, password } = new URL(management)
  const headers = { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`, 'content-type': 'application/json' }
  const response = await fetch(`${origin}/api/${path}`, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`)
  const text = await response.text()
  return text === '' ? undefined : JSON.parse(text)
}

/** A virtual host of a test's own, and transports on it; `dispose` closes and removes all. */
export async function trial(): Promise<{
  readonly url: string
  readonly vhost: string
  readonly reports: readonly TransportReport[]
  open(options?: Readonly<Record<string, unknown>>, url?: string, clock?: Clock): Promise<Transport>
  dispose(): Promise<void>
}> {
  const vhost = `trial-${newId()}`
  const url = `${server}/${vhost}?heartbeat=2`
  const reports: TransportReport[] = []
  const open: Transport[] = []
  await manage('PUT', `vhosts/${vhost}`)
  return {
    url,
    vhost,
    reports,
    async open(rabbitmq = {}, at = url, clock = systemClock) {
      const context = { clock, service: 'trial', instanceId: newId(), report: (event: TransportReport) => void reports.push(event) }
      const opened = await transport.open(at, { ...context, options: { rabbitmq } })
      open.push(opened)
      return opened
    },
    async dispose() {
      for (const each of open) await each.close()
      await manage('DELETE', `vhosts/${vhost}`)
    },
  }
}

/** A member of group `g` of channel `c`. */
export const membership: Subscription = {
  channel: 'c',
  group: 'g',
  from: 'start',
  order: 'key',
  ephemeral: false,
  kind: 'events',
  types: ['t'],
  windowCount: 1_000,
  windowBytes: 64 * 1024 * 1024,
}

/** An observer that only notes which partitions are held, and how many were lost. */
export function watcher(): ConsumerObserver & { readonly owned: ReadonlySet<string>; readonly lostCount: number } {
  const owned = new Set<string>()
  let lostCount = 0
  return {
    owned,
    get lostCount() {
      return lostCount
    },
    assigned: (partition) => void owned.add(partition),
    revoking: async (partition) => void owned.delete(partition),
    lost: (partition) => {
      lostCount++
      owned.delete(partition)
    },
    lostDeliveries: () => undefined,
    lotChanged: () => undefined,
    paused: () => undefined,
    settlementLost: () => undefined,
  }
}

/** Waits until it is so. */
export async function until(what: string, isSo: () => boolean | Promise<boolean>, patienceMs = 20_000): Promise<void> {
  for (const end = systemClock.monotonicMs() + patienceMs; !(await isSo()); ) {
    if (systemClock.monotonicMs() > end) throw new Error(`waited for: ${what}`)
    await new Promise<void>((resolve) => void systemClock.setTimer(20, resolve, { keepAlive: true }))
  }
}

/** A message of the type that {@link membership} handles. */
export function envelopeOf(id: string, partitionkey?: string): Envelope {
  return { id, type: 't', source: 'test', time: '2026-01-01T00:00:00.000Z', body: '{}', ...(partitionkey === undefined ? {} : { partitionkey }) }
}

/** Why a message of a test is dead. */
export const reason: DeadLetterReason = {
  code: 'X',
  message: 'x',
  attempts: 1,
  deliveries: 1,
  firstDeliveredAtMs: 1,
  deadLetteredAtMs: 1,
  service: 's',
  instanceId: 'i',
  fingerprint: 'f',
}
