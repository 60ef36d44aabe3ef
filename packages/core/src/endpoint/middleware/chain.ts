import { SluiceError } from '../../errors/index.ts'
import type { HandlerRun, Middleware, SendDraft } from './api.ts'

const parts = ['send', 'encoded', 'received', 'handle'] as const

/** @throws SluiceError INVALID_OPTION for what has none of the four parts, or has one that is no function. */
export function checkMiddleware(middleware: unknown): void {
  const given = typeof middleware === 'object' && middleware !== null ? (middleware as Readonly<Record<string, unknown>>) : {}
  const wrong = parts.find((part) => given[part] !== undefined && typeof given[part] !== 'function')
  if (wrong === undefined && parts.some((part) => given[part] !== undefined)) return
  throw new SluiceError('INVALID_OPTION', wrong === undefined ? 'use was given no middleware' : `the ${wrong} of a middleware is not a function`, {
    fix: 'Pass an object with any of send(draft, next), encoded(envelope), received(envelope), handle(run, next)',
  })
}

/** Runs the `send` part of all middleware; the first is outermost. Throws what one of them threw. */
export function runSend(middleware: readonly Middleware[], draft: SendDraft, last: () => void): void {
  const step = (index: number): void => {
    let at = index
    while (at < middleware.length && middleware[at]?.send === undefined) at++
    const one = middleware[at]
    if (one?.send === undefined) {
      last()
      return
    }
    let called = 0
    one.send(draft, () => {
      if (called++ === 0) step(at + 1)
    })
    if (called !== 1) throw misused(one, 'send', called)
  }
  step(0)
}

/** Runs the `handle` part of all middleware around `handler`; the result is the outermost one's. */
export function runHandle(middleware: readonly Middleware[], run: HandlerRun, handler: () => unknown): unknown {
  const step = (index: number): unknown => {
    let at = index
    while (at < middleware.length && middleware[at]?.handle === undefined) at++
    const one = middleware[at]
    if (one?.handle === undefined) return handler()
    let called = false
    return one.handle(run, () => {
      // A second call would run the handler, and its effects, twice.
      if (called) throw misused(one, 'handle', 2)
      called = true
      return step(at + 1)
    })
  }
  return step(0)
}

function misused(middleware: Middleware, part: 'send' | 'handle', called: number): SluiceError {
  const name = middleware.name ?? 'without a name'
  return new SluiceError('INVALID_OPTION', `the ${part} of the middleware ${name} called next ${called} times`, {
    fix: part === 'send' ? 'Call it exactly once, before send returns; throw to refuse a message' : 'Call it at most once',
  })
}
