import { type ErrorCode, isSluiceError, noConnection, SluiceError } from '@sluice/core/transport'
import { ConnectionEnded } from './resp/connection.ts'
import { RedisError } from './resp/reply.ts'

const credentials = 'Correct user name and password: in the URL, by passwordFile=/path/to/it there, or by transportOptions: { redis: { passwordFile } }'

/** Kinds of error by which the server says that it took nothing, but may later. */
const passing = new Set([
  'OOM',
  'LOADING',
  'MASTERDOWN',
  'READONLY',
  'BUSY',
  'NOREPLICAS',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'ASK',
  'MISCONF',
  'EXECABORT',
  'NOSCRIPT',
])

/** What an answer of the server means: which code, and whether the same can succeed later without a person. */
export function serverError(error: RedisError): { readonly error: SluiceError; readonly retryable: boolean } {
  const [code, fix] = meaning(error)
  return {
    error: new SluiceError(code, `Redis refused: ${withoutValues(error.message)}`, { ...(fix === undefined ? {} : { fix }) }),
    retryable: passing.has(error.kind),
  }
}

function meaning(error: RedisError): readonly [ErrorCode, string | undefined] {
  switch (error.kind) {
    case 'OOM':
      return ['BACKPRESSURE', 'The server is at its maxmemory: let consumers catch up, shorten the retention, or give it more']
    case 'NOPERM':
      return ['TRANSPORT_FORBIDDEN', 'Give the ACL user the commands and keys that docs/internals/transports/redis.md lists']
    case 'WRONGPASS':
    case 'NOAUTH':
      return ['TRANSPORT_UNAUTHENTICATED', credentials]
    case 'MISCONF':
      return ['STORE_FULL', 'The server cannot write its files: look at its log and its disk']
    case 'WRONGTYPE':
      return ['TOPOLOGY_CONFLICT', 'A key of the bus holds something of somebody else: choose another prefix (prefix=… in the URL), or remove it']
    case 'READONLY':
      return ['TRANSPORT_FAILED', 'This server is a replica: connect to the primary']
    default:
      return ['TRANSPORT_FAILED', undefined]
  }
}

// The server quotes what it was sent in some errors.
function withoutValues(text: string): string {
  return text
    .replace(/(with args beginning with: |script: )[\s\S]*/, '$1…')
    .replace(/'[^']*'/g, "'…'")
    .slice(0, 200)
}

/** Whatever went wrong on the way to the server, as an error of Sluice. */
export function toSluice(cause: unknown, where: string): SluiceError {
  if (isSluiceError(cause)) return cause
  if (cause instanceof RedisError) return serverError(cause).error
  if (cause instanceof ConnectionEnded) return new SluiceError('TRANSPORT_FAILED', `${where}: ${cause.message}`, { cause })
  return new SluiceError('TRANSPORT_FAILED', `${where} failed`, { cause })
}

/** The error of a connection that could not be opened. */
export function connectError(cause: unknown, shown: string): SluiceError {
  if (cause instanceof RedisError) return serverError(cause).error
  const otherwise = 'Is the server there, does it speak Redis, and is this port for TLS (rediss:) or not (redis:)?'
  return noConnection(cause, shown, 'redis', otherwise)
}

export function closed(): SluiceError {
  return new SluiceError('TRANSPORT_CLOSED', 'the connection to Redis was closed')
}

/** The same work, whose errors are Sluice's. */
export async function sluiced<T>(what: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw toSluice(error, what)
  }
}
