/** What is used of amqplib's inside, to write and read faster than it does. Its version is pinned; whoever finds it changed does without. */
import { Duplex } from 'node:stream'

/** amqplib's connection. */
export interface Inside {
  /** The socket. What is written to it comes before what channels still hold. */
  readonly stream: Duplex
  /** By number: each with what it has not given to the socket yet. */
  readonly channels: readonly ({ readonly channel: object; readonly buffer: Duplex } | null)[]
  /** Not there where there is no heartbeat. */
  readonly heartbeater?: { clear(): void } | null
  /** Read from the socket and not looked at. */
  rest: Buffer
  recvSinceLastCheck: boolean
  /** The next frame; false: there is none yet. */
  recvFrame(): unknown
}

/** Undefined: it is not as expected. */
export function insideOf(connection: object): Inside | undefined {
  return isInside(connection) ? connection : undefined
}

/** Number of a channel that is open; undefined: it is closed, or closing. */
export function numberOfOpen(channel: object): number | undefined {
  // One that is closing has an `accept` of its own, which ignores what comes.
  return 'ch' in channel && typeof channel.ch === 'number' && !Object.hasOwn(channel, 'accept') ? channel.ch : undefined
}

function isInside(connection: object): connection is Inside {
  return (
    'stream' in connection &&
    connection.stream instanceof Duplex &&
    'channels' in connection &&
    Array.isArray(connection.channels) &&
    'rest' in connection &&
    connection.rest instanceof Buffer &&
    'recvFrame' in connection &&
    typeof connection.recvFrame === 'function'
  )
}
