/**
 * The synchronous chain: the same reactions as over the bus, but called one after the other over HTTP while the
 * customer waits. Kept to show what asynchronous messages buy, so it is as good as such a chain can be: steps are
 * idempotent by the same ids, connections are kept alive, and a repeated order picks up where it broke off.
 */
import { Agent, request } from 'node:http'
import type { Emitted } from '../services/reaction.ts'
import { flowOf, type ServiceName } from '../services/topology.ts'
import { HttpError } from './server.ts'

/** Where the other services listen; undefined while one is stopped. */
export type FindPort = (service: ServiceName) => number | undefined

/** Takes one message in this process (the order service's own reactions). */
export type TakeHere = (message: Emitted) => Promise<readonly Emitted[]>

const agent = new Agent({ keepAlive: true, maxSockets: 512 })
const callTimeoutMs = 10_000

/** Works off `first` and everything that follows from it. Rejects with {@link HttpError} 502 when a service is away. */
export async function runChain(first: readonly Emitted[], takeHere: TakeHere, findPort: FindPort, token: string): Promise<void> {
  const queue = [...first]
  for (let message = queue.shift(); message !== undefined; message = queue.shift()) {
    for (const service of flowOf(message.contract).to) {
      queue.push(...(service === 'order' ? await takeHere(message) : await call(service, message, findPort(service), token)))
    }
  }
}

function call(service: ServiceName, message: Emitted, port: number | undefined, token: string): Promise<readonly Emitted[]> {
  if (port === undefined) return Promise.reject(new HttpError(502, `${service} is stopped, and the chain needs it`))
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(new HttpError(502, `${service} did not answer: ${error.message}`))
    const body = JSON.stringify({ id: message.id, data: message.data })
    const outgoing = request(
      {
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: `/chain/${message.contract}`,
        agent,
        timeout: callTimeoutMs,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'x-shop-token': token },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => (text += chunk))
        response.on('error', fail)
        response.on('end', () => {
          if (response.statusCode !== 200) return fail(new Error(`status ${response.statusCode}: ${text}`))
          resolve(JSON.parse(text) as readonly Emitted[])
        })
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${callTimeoutMs} ms`)))
    outgoing.on('error', fail)
    outgoing.end(body)
  })
}
