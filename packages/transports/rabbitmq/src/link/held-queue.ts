/**
 * A queue with a single active consumer, read from its beginning: resolves when we are the active one *and* have read all
 * that was in it. Proof of both is a marker of our own that comes back: behind everything older, and to nobody else.
 */
import { type Clock, newId, type Timer } from '@sluice/core/transport'
import type { Channel, ConsumeMessage } from 'amqplib'
import type { Publisher } from '../send/publisher.ts'
import { brokenError } from './errors.ts'

/** Type of the messages that only say something about their queue: whoever reads one settles it. */
export const markerType = 'sluice.marker'
/** Another consumer may have taken our marker while it was the active one: a new one after this, ms. */
const markerEveryMs = 500

/** What a held queue needs. */
export interface Holding {
  readonly channel: Channel
  readonly queue: string
  readonly publisher: Publisher
  readonly clock: Clock
  /** Messages other than markers, in order. */
  readonly take: (message: ConsumeMessage) => void
  /** A marker, ours or a stranger's: to be settled. */
  readonly settle: (tag: number) => void
  /** The queue was deleted, or the server took the consumer away. */
  readonly cancelled: () => void
  /** Stops waiting. */
  readonly aborted: () => boolean
}

/** Whether a message is one of ours to find out who is active. */
export function isMarker(message: ConsumeMessage): boolean {
  return message.properties.type === markerType
}

/**
 * Begins to consume. `active` resolves with the first message of any kind: we are the active consumer; `read` when all
 * that was there at the beginning has been read; both reject when the channel or the queue goes before.
 */
export async function hold(holding: Holding): Promise<{ readonly active: Promise<void>; readonly read: Promise<void> }> {
  const { channel, queue, publisher, clock } = holding
  /** Sent and not back yet: what stays behind would be counted as a message. */
  const markers = new Set<string>()
  const active = Promise.withResolvers<void>()
  const read = Promise.withResolvers<void>()
  // Not everybody waits for both.
  active.promise.catch(() => undefined)
  read.promise.catch(() => undefined)
  let over = false
  let timer: Timer | undefined
  // Repeated until one comes back: one may be lost, and one sent while another was active may have gone to it.
  const mark = (): void => {
    if (over) return
    timer?.cancel()
    if (holding.aborted()) return
    const messageId = newId()
    markers.add(messageId)
    publisher.hint(queue, { type: markerType, messageId, persistent: true })
    timer = clock.setTimer(markerEveryMs, mark)
  }
  const fail = (): void => {
    over = true
    timer?.cancel()
    for (const { reject } of [active, read]) reject(brokenError())
  }
  channel.on('close', fail)
  let seen = false
  await channel.consume(queue, (message) => {
    if (message === null) {
      fail()
      holding.cancelled()
      return
    }
    active.resolve()
    if (!isMarker(message)) holding.take(message)
    else {
      holding.settle(message.fields.deliveryTag)
      if (markers.delete(String(message.properties.messageId))) {
        if (!over) {
          over = true
          timer?.cancel()
          timer = clock.setTimer(markerEveryMs, read.resolve)
        }
        if (markers.size === 0) {
          timer?.cancel()
          read.resolve()
        }
      }
    }
    // We are active only now: what we sent before may have gone to another one.
    if (!seen) {
      seen = true
      mark()
    }
  })
  mark()
  return { active: active.promise, read: read.promise }
}
