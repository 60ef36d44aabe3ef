import type { ConformanceOptions } from '@sluice/conformance'
import { newId } from '@sluice/core/transport'
import { transport } from '@sluice/rabbitmq'
import { ownServer } from './own-server.ts'

const { SLUICE_TEST_RABBITMQ_URL: server = '', SLUICE_TEST_RABBITMQ_MANAGEMENT: management = '' } = process.env

/** Makes or removes a virtual host by the management plugin. */
async function virtualHost(method: 'PUT' | 'DELETE', name: string): Promise<void> {
  const { origin, username, password } = new URL(management)
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const response = await fetch(`${origin}/api/vhosts/${name}`, { method, headers: { authorization } })
  if (!response.ok) throw new Error(`${method} of virtual host ${name}: ${response.status}`)
}

/** How the suite finds a RabbitMQ: every case has a virtual host of its own. */
export const rabbitmqOptions: ConformanceOptions = {
  name: 'rabbitmq',
  transport,
  url: async () => {
    const name = `case-${newId()}`
    await virtualHost('PUT', name)
    return { url: `${server}/${name}?heartbeat=2`, dispose: () => virtualHost('DELETE', name) }
  },
  crash: (open) => {
    if ('crash' in open && typeof open.crash === 'function') open.crash()
  },
  server: () => ownServer('rabbitmq'),
  member: { module: import.meta.resolve('@sluice/rabbitmq'), export: 'transport' },
}
