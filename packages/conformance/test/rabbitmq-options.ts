import type { ConformanceOptions } from '@sluice/conformance'
import { newId } from '@sluice/core/transport'
import { transport } from '@sluice/rabbitmq'
import { keptServer, ownServer } from './own-server.ts'

const { SLUICE_TEST_RABBITMQ_URL: server = '', SLUICE_TEST_RABBITMQ_MANAGEMENT: shared = '' } = process.env

/** Makes or removes a virtual host by a server's management plugin. */
async function virtualHost(method: 'PUT' | 'DELETE', name: string, management: string = shared): Promise<void> {
  const { origin, username, password } = new URL(management)
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const response = await fetch(`${origin}/api/vhosts/${name}`, { method, headers: { authorization } })
  if (!response.ok) throw new Error(`${method} of virtual host ${name}: ${response.status}`)
}

/** A virtual host of a case's own, on connections that say every so many seconds that they live; half the queues take half the server. */
export async function placeOfItsOwn(heartbeatS: number): Promise<{ readonly url: string; readonly dispose: () => Promise<void> }> {
  const name = `case-${newId()}`
  await virtualHost('PUT', name)
  return { url: `${server}/${name}?heartbeat=${heartbeatS}&partitions=4`, dispose: () => virtualHost('DELETE', name) }
}

/** How the suite finds a RabbitMQ. With a short heartbeat a starved machine loses its connections. */
export const rabbitmqOptions: ConformanceOptions = {
  name: 'rabbitmq',
  transport,
  url: () => placeOfItsOwn(10),
  size: 'short',
  crash: (open) => {
    if ('crash' in open && typeof open.crash === 'function') open.crash()
  },
  server: () => ownServer('rabbitmq'),
  member: { module: import.meta.resolve('@sluice/rabbitmq'), export: 'transport' },
}

/** With faults: one server of its own, which takes seconds to start, and a virtual host of each case's own on it. */
export function rabbitmqFaultOptions(): ConformanceOptions {
  const start = keptServer('rabbitmq')
  return {
    ...rabbitmqOptions,
    // 3.10 may forget the quorum queue that it declared last for some 3 s (docs/internals/transports/rabbitmq.md).
    settledMs: 4_000,
    server: async () => {
      const own = await start()
      const name = `case-${newId()}`
      const { management = '' } = own.extras
      await virtualHost('PUT', name, management)
      return { ...own, url: `${own.url}/${name}?partitions=4`, down: () => virtualHost('DELETE', name, management).catch(() => undefined) }
    },
  }
}
