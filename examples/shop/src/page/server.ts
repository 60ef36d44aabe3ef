/**
 * Serves the page: its files, a stream of pictures (server-sent events), and the buttons. Loopback only; a page of
 * another site can neither read it (Host check against DNS rebinding) nor press its buttons (Origin check).
 */
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { stripTypeScriptTypes } from 'node:module'
import type { AddressInfo } from 'node:net'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { answer, HttpError, isLoopbackHost, readBody } from '../chain/server.ts'
import { serviceNames } from '../services/topology.ts'
import type { Language } from '../text/index.ts'
import type { Observer } from './observer.ts'
import type { Action } from './state.ts'

/** What a page is made of. */
export interface PageOptions {
  readonly observer: Observer
  /** Carries a button's wish out. */
  act(action: Action): Promise<void>
  /** Language of a visitor who has chosen none. */
  readonly language: Language
  /** Taken: a free one. */
  readonly port: number
}

/** A page that is served. */
export interface PageServer {
  readonly url: string
  close(): Promise<void>
}

const lookEveryMs = 500
const listenersMax = 32
// A browser that does not read: skip pictures rather than keep them for it.
const unreadBytesMax = 1_000_000

const shopRoot = new URL('../../', import.meta.url)
const uplot = import.meta.resolve('uplot')
const files: Readonly<Record<string, URL>> = {
  '/': new URL('browser/index.html', shopRoot),
  '/browser/style.css': new URL('browser/style.css', shopRoot),
  ...Object.fromEntries(
    ['main', 'picture', 'services', 'charts', 'controls', 'figures', 'verdict', 'live', 'language', 'theme', 'format'].map((name) => [
      `/browser/${name}.ts`,
      new URL(`browser/${name}.ts`, shopRoot),
    ]),
  ),
  '/src/text/en.ts': new URL('src/text/en.ts', shopRoot),
  '/src/text/zh.ts': new URL('src/text/zh.ts', shopRoot),
  '/uplot.js': new URL('./uPlot.iife.min.js', uplot),
  '/uplot.css': new URL('./uPlot.min.css', uplot),
}
const mediaTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.ts': 'text/javascript; charset=utf-8',
}
const securityHeaders = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
}
const actionSchema: z.ZodType<Action> = z.discriminatedUnion('action', [
  z.strictObject({ action: z.enum(['stop', 'start']), service: z.enum(serviceNames) }),
  z.strictObject({ action: z.literal('mode'), mode: z.enum(['asynchronous', 'synchronous']) }),
  z.strictObject({ action: z.enum(['burst', 'price-list', 'pause', 'resume']) }),
])

// Browser code is TypeScript like the rest; its types are taken out once.
const prepared = new Map<string, Promise<string>>()
function prepare(url: URL, language: Language): Promise<string> {
  let text = prepared.get(url.href)
  if (text === undefined) {
    text = readFile(fileURLToPath(url), 'utf8').then((source) =>
      extname(url.pathname) === '.ts' ? withoutTypes(source) : source.replace('data-language=""', `data-language="${language}"`),
    )
    prepared.set(url.href, text)
  }
  return text
}

// What the types leave is blanks. They go, and comments and indentation with them: the first paint stays below 100 kB.
// Browser code holds no text over several lines, so nothing else can look like one of these.
function withoutTypes(source: string): string {
  return stripTypeScriptTypes(source)
    .replace(/^\s*\/\*\*[\s\S]*?\*\/$/gm, '')
    .replace(/^\s*\/\/.*$/gm, '')
    .replace(/^\s+|[ \t]+$/gm, '')
}

/** Serves the page on 127.0.0.1. */
export async function servePage(options: PageOptions): Promise<PageServer> {
  const listeners = new Set<ServerResponse>()
  let latest = ''

  const look = async (): Promise<void> => {
    latest = JSON.stringify(await options.observer.look())
    for (const listener of listeners) if (listener.writableLength < unreadBytesMax) listener.write(`event: state\ndata: ${latest}\n\n`)
  }
  const listen = (response: ServerResponse): void => {
    if (listeners.size >= listenersMax) throw new HttpError(503, `more than ${listenersMax} pages are open; close one`)
    response.writeHead(200, { ...securityHeaders, 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write(`retry: 1000\nevent: history\ndata: ${JSON.stringify(options.observer.history)}\n\n`)
    if (latest !== '') response.write(`event: state\ndata: ${latest}\n\n`)
    listeners.add(response)
    response.on('close', () => listeners.delete(response))
  }
  const act = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.headers.origin !== `http://${request.headers.host}`) throw new HttpError(403, 'buttons are pressed from this page only')
    if (request.headers['content-type'] !== 'application/json') throw new HttpError(415, 'an action is JSON')
    const action = actionSchema.safeParse(JSON.parse(await readBody(request)))
    if (!action.success) throw new HttpError(422, 'this page knows no such button')
    await options.act(action.data)
    answer(response, 200, {})
  }
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!isLoopbackHost(request.headers.host)) throw new HttpError(421, 'this page is served on the loopback address only')
    const { pathname } = new URL(request.url ?? '/', 'http://127.0.0.1')
    if (request.method === 'POST' && pathname === '/actions') return act(request, response)
    if (request.method !== 'GET') throw new HttpError(405, 'only buttons change something')
    if (pathname === '/events') return listen(response)
    const file = Object.hasOwn(files, pathname) ? files[pathname] : undefined
    if (file === undefined) throw new HttpError(404, `there is nothing at ${pathname}`)
    const body = await prepare(file, options.language)
    const type = mediaTypes[extname(file.pathname)] ?? 'application/octet-stream'
    response.writeHead(200, { ...securityHeaders, 'content-type': type, 'content-length': Buffer.byteLength(body), 'cache-control': 'no-cache' })
    response.end(body)
  }
  const server = createServer((request, response) => {
    respond(request, response).catch((error: unknown) => {
      const status = error instanceof HttpError ? error.status : error instanceof SyntaxError ? 400 : 500
      if (!response.headersSent) answer(response, status, { error: error instanceof Error ? error.message : String(error) })
      else response.destroy()
    })
  })
  const port = await listenSomewhere(server, options.port)
  let looking: Promise<void> | undefined
  const timer = setInterval(() => {
    // A look that takes longer than the interval is not overtaken by the next.
    looking ??= look()
      .catch(() => {})
      .finally(() => {
        looking = undefined
      })
  }, lookEveryMs)
  return {
    url: `http://127.0.0.1:${port}/`,
    async close() {
      clearInterval(timer)
      await looking
      for (const listener of listeners) listener.end()
      server.close()
      server.closeAllConnections()
    },
  }
}

async function listenSomewhere(server: Server, port: number): Promise<number> {
  const tryPort = (wanted: number): Promise<void> =>
    new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(wanted, '127.0.0.1', () => {
        server.off('error', reject)
        resolve()
      })
    })
  try {
    await tryPort(port)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    await tryPort(0)
  }
  return (server.address() as AddressInfo).port
}
