/**
 * Declares the registry's stream, one connection after the other. Of several that declare a stream at once a server tells
 * some that it is another one (406), ends the connection of others, and may be left with a stream that confirms nothing
 * (seen with 3.10.8). Who declares therefore holds an exclusive queue: it goes with its connection, so nobody's death
 * locks out the others.
 */
import { type Clock, keyHash, SluiceError } from '@sluice/core/transport'
import { isLocked, isNotFound } from '../link/errors.ts'
import { type Link, messageCount } from '../link/link.ts'

/** The stream drops its oldest segments beyond this; a snapshot every so many records is always in what is left. */
const bytesMax = 64_000_000
const segmentBytes = 4_000_000

/** Who finds another one declaring looks again after this, half as much more or less, ms. */
const lookAgainMs = 80
/** Nobody declares for so long, ms. */
const patienceMs = 30_000

/** What declaring needs. */
export interface Declaring {
  readonly link: Link
  readonly clock: Clock
  /** Spreads those that wait. */
  readonly instanceId: string
  readonly queue: string
  /** The exclusive queue that says: somebody declares. */
  readonly lock: string
}

/** Resolves when the stream is there, and complete. Rejects with what the server says, or TRANSPORT_FAILED after 30 s. */
export async function declareRegistry(declaring: Declaring): Promise<void> {
  const { link, clock, instanceId, queue, lock } = declaring
  const endMs = clock.monotonicMs() + patienceMs
  for (let looks = 1; !(await tryToDeclare(declaring)); looks++) {
    if (clock.monotonicMs() > endMs)
      throw new SluiceError('TRANSPORT_FAILED', `RabbitMQ: somebody has been declaring "${queue}" for ${patienceMs / 1_000} s`, {
        fix: `Close the connection that owns the queue "${lock}"`,
      })
    const delayMs = lookAgainMs * (0.5 + (keyHash(`${instanceId} ${looks}`) % 512) / 512)
    await new Promise<void>((resolve) => void clock.setTimer(delayMs, resolve))
  }
  // It is there: this only makes sure that it is of our kind.
  await link.askApart((channel) => channel.assertQueue(queue, settings))
}

const settings = {
  durable: true,
  arguments: { 'x-queue-type': 'stream', 'x-max-length-bytes': bytesMax, 'x-stream-max-segment-size-bytes': segmentBytes },
}

/** False: another one is about to. */
async function tryToDeclare({ link, queue, lock }: Declaring): Promise<boolean> {
  const recordCount = await messageCount(link, queue)
  // What holds records was complete long ago. An empty one may be named already, and not live yet: its lock tells.
  if (recordCount !== undefined && recordCount > 0) return true
  try {
    await link.askApart((channel) => channel.assertQueue(lock, { exclusive: true, autoDelete: true, durable: false }))
  } catch (error) {
    if (isLocked(error) || isNotFound(error)) return false
    throw error
  }
  try {
    await link.askApart((channel) => channel.assertQueue(queue, settings))
    return true
  } finally {
    await link.askApart((channel) => channel.deleteQueue(lock)).catch(() => undefined)
  }
}
