/**
 * The HTTP door of each service: for the synchronous chain (`POST /chain/<contract>`), and for the order service the
 * public order API on top. Loopback only; the chain asks for the run's token.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Host, Reaction } from '../services/reaction.ts'

/** Handles a request that is not the chain's; returns false when it does not know the path. */
export type Route = (request: IncomingMessage, path: URL, response: ServerResponse) => Promise<boolean>

/** Longest request body, bytes: the longest burst batch and room to spare. */
const bodyBytesMax = 16 * 1024 * 1024

/** An error that has an HTTP status. */
export class HttpError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** Reads a body of bounded size. */
export async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bodyBytesMax) throw new HttpError(413, `the body is longer than ${bodyBytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** Answers with JSON. */
export function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text), 'cache-control': 'no-store' })
  response.end(text)
}

/** Whether the request names this machine's loopback as its host: keeps other sites' scripts out (DNS rebinding). */
export function isLoopbackHost(host: string | undefined): boolean {
  return host !== undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/.test(host)
}

/** Serves the chain for these reactions, and `route` beside it. Resolves when it listens on 127.0.0.1. */
export async function serve(reactions: readonly Reaction[], host: Host, token: string, route: Route, port: number): Promise<{ server: Server; port: number }> {
  const byContract = new Map(reactions.map((reaction) => [reaction.contract.name, reaction]))
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!isLoopbackHost(request.headers.host)) throw new HttpError(421, 'this server answers on the loopback address only')
    const path = new URL(request.url ?? '/', 'http://127.0.0.1')
    const contract = path.pathname.startsWith('/chain/') ? path.pathname.slice('/chain/'.length) : undefined
    if (contract === undefined) {
      if (!(await route(request, path, response))) throw new HttpError(404, `there is nothing at ${path.pathname}`)
      return
    }
    if (request.headers['x-shop-token'] !== token) throw new HttpError(403, 'the chain is for the shop’s own services')
    const reaction = byContract.get(contract)
    if (reaction === undefined) throw new HttpError(404, `this service does not handle ${contract}`)
    const { id, data } = JSON.parse(await readBody(request)) as { id: string; data: unknown }
    answer(response, 200, await reaction.chain(host, id, data))
  }
  const server = createServer((request, response) => {
    respond(request, response).catch((error: unknown) => {
      const status = error instanceof HttpError ? error.status : error instanceof SyntaxError ? 400 : 500
      if (!response.headersSent) answer(response, status, { error: error instanceof Error ? error.message : String(error) })
      else response.destroy()
    })
  })
  server.keepAliveTimeout = 30_000
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return { server, port: (server.address() as AddressInfo).port }
}
