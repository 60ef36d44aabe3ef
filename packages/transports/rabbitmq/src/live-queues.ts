/**
 * Declares a queue and makes sure that it lives. A quorum queue whose server is killed right after its declaration comes back
 * without a leader, for ever (3.10.8: nothing was in its log yet, and an empty log waits for whoever made it): the server says
 * that it is there, and neither takes nor hands out anything. What has once confirmed a message does not end so. So a queue
 * is bound, named to others and used only when it has confirmed one; one that is silent and unused is made anew.
 */
import { type Clock, SluiceError, type Timer } from '@sluice/core/transport'
import type { ConfirmChannel } from 'amqplib'
import { brokenError } from './link/errors.ts'
import { markerType } from './link/held-queue.ts'
import type { Link } from './link/link.ts'

/** A queue that lives answers within milliseconds; one whose leader is elected within a second or two. */
const silenceMs = 5_000
/** Who declares beside us may be told so before the queue lives: it refuses until then. */
const refusedAgainMs = 50
const triesMax = 3

/** What making queues needs. */
export interface Making {
  /** The connection that publishes. */
  readonly link: Link
  readonly clock: Clock
  readonly queues: readonly string[]
  /** Declares all of them; those that are there already may be declared again. */
  declare(): Promise<unknown>
  /** Whether somebody may have used them already: then none is ever taken away. */
  isUsed(): Promise<boolean>
  remove(queue: string): Promise<unknown>
}

/** Resolves when the queues are there and have answered. Rejects as its functions do, or TRANSPORT_FAILED after three tries. */
export async function makeLive(making: Making): Promise<void> {
  for (let tries = 1; ; tries++) {
    await making.declare()
    const silent = await silentOf(making)
    // Used and silent: its leader is away, and what it holds is not ours to judge.
    if (silent.length === 0 || (await making.isUsed())) return
    if (tries === triesMax)
      throw new SluiceError('TRANSPORT_FAILED', `RabbitMQ: the queue "${silent[0]}" was declared and does not answer`, {
        fix: 'Look into the log of the server: its queues find no leader',
      })
    for (const queue of silent) await making.remove(queue)
  }
}

/** Those that do not confirm a message, which is gone at once. */
async function silentOf({ link, clock, queues }: Making): Promise<readonly string[]> {
  const silent = new Set(queues)
  let silence: Timer | undefined
  let channel: ConfirmChannel | undefined
  let isOver = false
  try {
    await new Promise<void>((resolve, reject) => {
      silence = clock.setTimer(silenceMs, resolve)
      const ask = (on: ConfirmChannel, queue: string): void => {
        if (isOver) return
        on.publish('', queue, Buffer.alloc(0), { type: markerType, persistent: true, expiration: 0 }, (refused: unknown) => {
          if (refused === null || refused === undefined) {
            silent.delete(queue)
            if (silent.size === 0) resolve()
          } else if (!isOver && link.isUp) clock.setTimer(refusedAgainMs, () => ask(on, queue))
        })
      }
      link
        .confirmChannel(() => reject(brokenError()))
        .then((opened) => {
          channel = opened
          for (const queue of queues) ask(opened, queue)
        })
        .catch(reject)
    })
    return [...silent]
  } finally {
    isOver = true
    silence?.cancel()
    // Not waited for: a silent queue may hold up the end of its channel.
    void channel?.close().catch(() => undefined)
  }
}
