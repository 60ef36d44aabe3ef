import type { Broker } from './broker.ts'

/** Makes or removes a virtual host by the management plugin. */
async function virtualHost(management: string, method: 'PUT' | 'DELETE', name: string): Promise<void> {
  const { origin, username, password } = new URL(management)
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const response = await fetch(`${origin}/api/vhosts/${name}`, { method, headers: { authorization } })
  if (!response.ok) throw new Error(`${method} of virtual host ${name}: ${response.status}`)
}

export const rabbitmq: Broker = {
  server: 'rabbitmq',
  title: 'RabbitMQ',
  rawName: 'amqplib',
  raw: 'rabbitmq-events',
  share: 0.2,
  batch: [1000, 4],
  note: '8 quorum queues by key behind a topic exchange, persistent, mandatory, confirmed; the raw client writes messages of the same bytes (headers, ids, routing key) over the same bindings, 4 batches of 1,000 unconfirmed, prefetch 1,000 a queue, parses, validates and acknowledges once a read',
  library: {
    name: '@nestjs/microservices',
    roles: 'nest-rabbitmq',
    share: 0.5,
    settings: ['1000'],
    note: 'one quorum queue without an exchange, persistent, confirmed, 1,000 emits outstanding, prefetch 1,000, acknowledged one by one in the handler',
  },
  async place({ url, extras: { management = '' } }, run) {
    await virtualHost(management, 'PUT', run)
    return { url: `${url}/${run}`, rawUrl: `${url}/${run}`, dispose: () => virtualHost(management, 'DELETE', run) }
  },
}
