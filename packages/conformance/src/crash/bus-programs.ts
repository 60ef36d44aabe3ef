import { type Bus, connect, type EventContract, event, Reject, typed } from '@sluice/core'
import { newId } from '@sluice/core/transport'
import { contentHash, type HistoryEntry, HistoryRecorder } from '../history/index.ts'
import type { Program, ProgramContext } from './program.ts'

/** Data of the messages that bus programs send. */
interface Order {
  readonly producer: string
  readonly seq: number
  readonly key: string
  readonly text: string
}

const Placed: EventContract<Order> = event('crash.order.placed', typed<Order>(), { key: (order) => order.key })
/** Channel of the bus programs. */
export const busChannel = 'crash.order'

function openBus({ factory, order }: ProgramContext, service: string, warn?: (text: string) => void): Promise<Bus> {
  const logger = warn === undefined ? false : { debug() {}, info() {}, warn: (text: unknown) => warn(String(text)), error() {} }
  return connect({ service, url: order.url, transports: [factory], logger, transportOptions: order.options, holdMaxMs: 50 })
}

const hashOf = (order: Order): string => contentHash(JSON.stringify(order), order.key)

/** Handles events of the channel in a group, failing now and then by `failEvery`, and writes everything down. */
export function busConsumeProgram(context: ProgramContext): Program {
  const { args, history, proc } = context.order
  const recorder = new HistoryRecorder(history, proc)
  const group = args.group ?? 'g'
  let bus: Bus
  let attempts = 0
  const handle = async (data: Order, about: HistoryEntry, attempt: number): Promise<void> => {
    recorder.record({ ...about, type: 'invoke', f: 'deliver', sha256: hashOf(data), wallMs: Date.now(), attempt })
    if (data.seq === args.deadly) process.kill(process.pid, 'SIGKILL')
    if (args.workMs !== undefined) await new Promise((resolve) => setTimeout(resolve, args.workMs))
    const poison = args.poisonEvery !== undefined && data.seq % args.poisonEvery === args.poisonEvery - 1
    if (poison || (args.failEvery !== undefined && ++attempts % args.failEvery === 0)) {
      recorder.record({ ...about, type: 'fail', f: 'deliver' })
      // Given up at once: what follows in the lane may come from here on.
      if (poison) recorder.record({ ...about, type: 'ok', f: 'deadletter', attempt, sha256: hashOf(data) })
      throw poison ? new Reject('poison') : new Error('now and then')
    }
    recorder.record({ ...about, type: 'ok', f: 'deliver' })
    // The bus settles after the handler: whether it could, only a later delivery tells.
    recorder.record({ ...about, type: 'info', f: 'accept' })
  }
  return {
    done: new Promise(() => {}),
    async start() {
      const { reported } = args
      const warn = (text: string): void => {
        if (reported !== undefined && text.includes(reported)) recorder.record({ type: 'ok', f: 'fault', fault: 'hand-over', victim: proc })
      }
      bus = await openBus(context, group, reported === undefined ? undefined : warn)
      bus.on(
        Placed,
        (data, { message, key, attempt }) =>
          handle(data, { type: 'info', f: 'deliver', channel: busChannel, group, id: message.id, ...(key === undefined ? {} : { key }) }, attempt),
        {
          retry: { attempts: args.attempts ?? 1_000, minDelayMs: 5, maxDelayMs: 120 },
          concurrency: args.concurrency ?? 16,
          killSwitch: false,
          onDeadLetter: 'continue',
        },
      )
      await bus.start()
    },
    async stop() {
      await bus.stop({ deadlineMs: 10_000 })
    },
  }
}

/** Publishes numbered orders, in the order of their numbers per key. */
export function busProduceProgram(context: ProgramContext): Program {
  const { args, history, proc } = context.order
  const recorder = new HistoryRecorder(history, proc)
  const { count = 1_000, batch = 20, keys = 20, producer = proc } = args
  let bus: Bus
  let stopping = false
  let finish = (): void => {}
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  const send = async (seq: number): Promise<void> => {
    const order: Order = { producer, seq, key: `k${seq % keys}`, text: 'x'.repeat(seq % 97) }
    const id = newId()
    recorder.record({ type: 'invoke', f: 'send', channel: busChannel, id, key: order.key, producer, seq, sha256: hashOf(order) })
    await bus.publish(Placed, order, { id })
    recorder.record({ type: 'ok', f: 'send', id })
  }
  const run = async (): Promise<void> => {
    for (let first = 0; first < count && !stopping; first += batch) {
      await Promise.all(Array.from({ length: Math.min(batch, count - first) }, (_, i) => send(first + i)))
      if (args.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, args.pauseMs))
    }
    finish()
  }
  return {
    done,
    async start() {
      bus = await openBus(context, producer)
      void run()
    },
    async stop() {
      stopping = true
      await bus.stop({ deadlineMs: 10_000 })
    },
  }
}
