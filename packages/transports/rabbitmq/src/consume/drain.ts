/** Taking a queue's messages elsewhere, as its single active consumer. */
import type { Clock } from '@sluice/core/transport'
import type { ConsumeMessage, Options } from 'amqplib'
import { hold } from '../link/held-queue.ts'
import type { Link } from '../link/link.ts'
import type { Publisher } from '../send/publisher.ts'
import { AckWindow } from './ack-window.ts'

/** What draining needs. */
export interface DrainHome {
  readonly link: Link
  readonly publisher: Publisher
  readonly clock: Clock
}

/**
 * Reads a queue to its present end, or until as many as `prefetch` are to stay; what `done` says yes to is settled, the rest is
 * back in its place.
 */
export async function drain(
  { link, publisher, clock }: DrainHome,
  queue: string,
  prefetch: number,
  done: (message: ConsumeMessage) => Promise<boolean>,
  until: 'read' | 'active' = 'read',
): Promise<void> {
  let closed = false
  let failure: unknown
  let fail = (): void => {}
  const failed = new Promise<void>((resolve) => {
    fail = resolve
  })
  const channel = await link.channel((error) => {
    closed = true
    failure ??= error ?? new Error('the channel closed')
    fail()
  })
  const acks = new AckWindow(channel, queue, clock)
  const running = new Set<Promise<void>>()
  let staying = 0
  let stop = (): void => {}
  const full = new Promise<void>((resolve) => {
    stop = resolve
  })
  try {
    await channel.prefetch(prefetch)
    const held = await hold({
      channel,
      queue,
      publisher,
      clock,
      take: (message) => {
        const work = done(message).then(
          (settle) => {
            if (settle) acks.ack(message.fields.deliveryTag)
            else if (++staying === prefetch) stop()
          },
          (error: unknown) => {
            failure ??= error
            fail()
          },
        )
        running.add(work)
        void work.finally(() => running.delete(work))
      },
      settle: (tag) => acks.ack(tag),
      cancelled: fail,
      aborted: () => closed,
    })
    await Promise.race([held[until], full, failed])
    await Promise.all(running)
    if (failure !== undefined) throw failure
    await acks.flush()
  } finally {
    if (!closed) {
      // Where it failed, too: what was taken elsewhere must not come a second time.
      await acks.flush().catch(() => undefined)
      await channel.close().catch(() => undefined)
    }
  }
}

/** A message as it is, in another queue; resolves when it is confirmed. */
export function copy(publisher: Publisher, queue: string, { content, properties }: ConsumeMessage): Promise<void> {
  const { 'x-delivery-count': _, ...headers } = properties.headers ?? {}
  const { contentType, messageId, type } = properties
  const options: Options.Publish = { headers, persistent: true }
  if (typeof contentType === 'string') options.contentType = contentType
  if (typeof messageId === 'string') options.messageId = messageId
  if (typeof type === 'string') options.type = type
  return publisher.put('', queue, content, options)
}
