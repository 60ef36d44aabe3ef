/** A service that does what it is told over IPC, with the build named by its first argument. */
import { join } from 'node:path'
import type { Consumer, Transport, TransportFactory } from '@sluice/core/transport'
import { context, message, quietObserver, subscription } from '../bus-file.ts'

const [build = '', path = '', name = ''] = process.argv.slice(2)
const { transport } = (await import(join(build, 'packages/embedded/src/index.ts'))) as { readonly transport: TransportFactory }
let bus: Transport | undefined
let consumer: Consumer | undefined

function opened(): Transport {
  if (bus === undefined) throw new Error('not open')
  return bus
}

const actions: Readonly<Record<string, (rest: string) => Promise<string>>> = {
  async open() {
    bus = await transport.open(`file:${path}`, { ...context(), service: name, instanceId: name })
    await bus.declare({ channels: [{ name: 'c', kind: 'events' }], groups: [{ channel: 'c', group: 'g', from: 'start', order: 'key', ephemeral: false }] })
    return 'ok'
  },
  async join() {
    consumer = await opened().consume(subscription(64), quietObserver)
    return 'ok'
  },
  async send(body) {
    const { failures } = await opened().send([message(body, body.split(' ')[0])])
    return failures[0]?.error.code ?? 'ok'
  },
  async sendMany(count) {
    for (let n = 0; n < Number(count); n++) {
      const { failures } = await opened().send([message(`${name}-${n % 5} ${n}`, `${name}-${n % 5}`)])
      if (failures[0] !== undefined) return failures[0].error.code
    }
    return 'ok'
  },
  /** Takes and accepts until nothing came for so many ms. */
  async take(quietMs) {
    const taken: string[] = []
    for (;;) {
      const timer = setTimeout(() => void consumer?.close(), Number(quietMs))
      const some = (await consumer?.receive(16, Number.POSITIVE_INFINITY)) ?? []
      clearTimeout(timer)
      if (some.length === 0) return taken.join('\n')
      consumer?.accept(some)
      await consumer?.flush()
      for (const { envelope } of some) taken.push(String(envelope.body))
    }
  },
  async close() {
    await bus?.close()
    return 'ok'
  },
}

process.on('message', (text) => {
  const [, word = '', rest = ''] = /^(\w+) ?(.*)$/.exec(String(text)) ?? []
  const action = actions[word]
  const answer = action === undefined ? Promise.reject(new Error(`no action ${word}`)) : action(rest)
  answer.then(
    (done) => process.send?.(done),
    (error: unknown) => process.send?.(error instanceof Error ? `${'code' in error ? error.code : ''} ${error.message}`.trim() : String(error)),
  )
})
