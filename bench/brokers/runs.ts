import { Role, runPair, type Span } from '../processes.ts'
import type { RunningServer } from '../servers.ts'
import type { Broker } from './broker.ts'

/** What a producer does: batches, one call a message, or a steady 2,000 a second. */
export type Mode = 'batches' | 'each' | 'paced'
/** Whose roles run. */
export type Side = 'sluice' | 'raw'

/** Runs of one broker on its server, each in a place of its own. */
export class Runs {
  readonly #broker: Broker
  readonly #server: RunningServer
  #number = 0

  constructor(broker: Broker, server: RunningServer) {
    this.#broker = broker
    this.#server = server
  }

  async #in<T>(side: Side, work: (role: (name: string, count: number, mode: Mode) => Role) => Promise<T>): Promise<T> {
    const name = `bench-${++this.#number}`
    const { raw, batch } = this.#broker
    const place = await this.#broker.place(this.#server, name)
    const folder = side === 'sluice' ? './sluice' : `../peers/${raw}`
    const url = side === 'sluice' ? place.url : place.rawUrl
    const roles: Role[] = []
    try {
      return await work((role, count, mode) => {
        const started = new Role(new URL(`${folder}/${role}.ts`, import.meta.url), [url, name, String(count), mode, ...batch.map(String)])
        roles.push(started)
        return started
      })
    } finally {
      for (const role of roles) role.kill()
      await place.dispose()
    }
  }

  /** A producer and a consumer at once; the consumer's figures beside the whole span, and when it began to handle. */
  pair(
    side: Side,
    count: number,
    mode: Mode,
    consumerRole: string = 'consumer',
  ): Promise<Span & { readonly handledNs: number; readonly micros: readonly number[] }> {
    return this.#in(side, async (role) => {
      const consumer = role(consumerRole, count, mode)
      await consumer.next()
      const producer = role('producer', count, mode)
      await producer.next()
      consumer.tell('go')
      producer.tell('go')
      const { startNs } = await producer.next<Span>()
      const { startNs: handledNs, endNs, micros } = await consumer.next<Span & { micros: number[] }>()
      await Promise.all([producer.end(), consumer.end()])
      return { startNs, handledNs, endNs, micros }
    })
  }

  /** The broker's library, in a place of its own; messages a second. */
  async library(count: number): Promise<number> {
    const name = `bench-${++this.#number}`
    const { library } = this.#broker
    const place = await this.#broker.place(this.#server, name)
    const script = (role: string): URL => new URL(`../peers/${library.roles}/${role}.ts`, import.meta.url)
    try {
      return (await runPair(script('producer'), script('consumer'), place.rawUrl, count, [name, ...library.settings])).endToEnd
    } finally {
      await place.dispose()
    }
  }

  /** A producer of Sluice's alone; messages a second until all were confirmed. */
  publishing(count: number, mode: Mode): Promise<number> {
    return this.#in('sluice', async (role) => {
      const producer = role('producer', count, mode)
      await producer.next()
      producer.tell('go')
      const { startNs, endNs } = await producer.next<Span>()
      await producer.end()
      return (count * 1e9) / (endNs - startNs)
    })
  }
}
