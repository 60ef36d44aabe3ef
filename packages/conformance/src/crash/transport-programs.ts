import { type Consumer, type ConsumerObserver, type Delivery, newId, type OutgoingMessage, systemClock, type Transport } from '@sluice/core/transport'
import { contentHash, HistoryRecorder } from '../history/index.ts'
import type { Program, ProgramContext } from './program.ts'

/** Opens the transport for a member program. */
export function openMember({ factory, order }: ProgramContext): Promise<Transport> {
  return factory.open(order.url, { clock: systemClock, service: order.proc, instanceId: `${order.proc}-${process.pid}`, report() {}, options: order.options })
}

/** Joins a group on the transport alone and accepts what comes, partition by partition, in order. */
export function consumeProgram(context: ProgramContext): Program {
  const { args, history, proc } = context.order
  const group = args.group ?? 'g'
  const recorder = new HistoryRecorder(history, proc)
  const work = new Map<string, Promise<void>>()
  const gone = new Set<string>()
  const lost = new WeakSet<Delivery>()
  // How often each partition was lost: what came before is void, though the partition may be ours again.
  const losses = new Map<string, number>()
  let stopping = false
  let transport: Transport
  let consumer: Consumer
  let lookedAtMs = performance.now()
  let thawing: Promise<void> | undefined
  // As the core does: after a standstill nothing begins before the transport is certain what is held.
  const awake = async (): Promise<void> => {
    const nowMs = performance.now()
    if (nowMs - lookedAtMs > transport.facts.takeOverMs / 3) {
      thawing ??= Promise.all([consumer.confirmHeld?.(), new Promise((resolve) => setImmediate(resolve))]).then(() => {
        thawing = undefined
      })
    }
    lookedAtMs = nowMs
    await thawing
    lookedAtMs = performance.now()
  }
  const observer: ConsumerObserver = {
    assigned: (partition) => void gone.delete(partition),
    revoking: async (partition) => {
      gone.add(partition)
      await work.get(partition)
    },
    lost: (partition) => {
      gone.add(partition)
      losses.set(partition, (losses.get(partition) ?? 0) + 1)
    },
    lostDeliveries: (deliveries) => {
      for (const delivery of deliveries) lost.add(delivery)
    },
    lotChanged() {},
    paused() {},
    settlementLost: (deliveries) => {
      for (const delivery of deliveries) lost.add(delivery)
    },
  }
  const handle = async (deliveries: readonly Delivery[], loss: number | undefined): Promise<void> => {
    for (const delivery of deliveries) {
      await awake()
      if (stopping || gone.has(delivery.partition) || losses.get(delivery.partition) !== loss || lost.has(delivery)) return
      const { envelope } = delivery
      const about = { group, channel: 'c', id: envelope.id, ...(envelope.partitionkey === undefined ? {} : { key: envelope.partitionkey }) }
      recorder.record({
        ...about,
        type: 'invoke',
        f: 'deliver',
        sha256: contentHash(envelope.body, envelope.partitionkey, envelope.headers),
        wallMs: Date.now(),
        attempt: delivery.attempt + 1,
      })
      if (args.workMs !== undefined) await new Promise((resolve) => setTimeout(resolve, args.workMs))
      recorder.record({ ...about, type: 'ok', f: 'deliver' })
      // Killed between the settlement and the line about it, nobody knows: hence this one before.
      recorder.record({ ...about, type: 'info', f: 'accept' })
      consumer.accept([delivery])
      await consumer.flush()
      if (!gone.has(delivery.partition) && !lost.has(delivery)) recorder.record({ ...about, type: 'ok', f: 'accept' })
    }
  }
  const pump = async (): Promise<void> => {
    for (;;) {
      const deliveries = await consumer.receive(50, 1e6)
      if (deliveries.length === 0) return
      for (const [partition, some] of Map.groupBy(deliveries, (delivery) => delivery.partition)) {
        const before = work.get(partition) ?? Promise.resolve()
        const loss = losses.get(partition)
        work.set(
          partition,
          before.then(() => handle(some, loss)),
        )
      }
    }
  }
  return {
    done: new Promise(() => {}),
    async start() {
      transport = await openMember(context)
      consumer = await transport.consume(
        {
          channel: 'c',
          group,
          from: 'start',
          order: 'key',
          ephemeral: false,
          kind: 'events',
          types: ['t'],
          windowCount: args.window ?? 200,
          windowBytes: 64 * 1024 * 1024,
        },
        observer,
      )
      void pump()
    },
    async stop() {
      stopping = true
      await Promise.all(work.values())
      await transport.close()
    },
  }
}

/** Sends numbered messages, resends what failed in order, and writes down what it was told. */
export function produceProgram(context: ProgramContext): Program {
  const { args, history, proc } = context.order
  const recorder = new HistoryRecorder(history, proc)
  let transport: Transport
  let stopping = false
  let finish = (): void => {}
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  const sendAll = async (batch: OutgoingMessage[], first: number): Promise<void> => {
    for (const [i, message] of batch.entries()) {
      recorder.record({
        type: 'invoke',
        f: 'send',
        channel: 'c',
        id: message.envelope.id,
        producer: args.producer ?? proc,
        seq: first + i,
        ...keyAndHash(message),
      })
    }
    let left = batch
    for (let round = 0; left.length > 0 && !stopping; round++) {
      const { failures } = await transport.send(left, round === 0 ? {} : { resend: true })
      const failed = new Set(failures.map((failure) => failure.index))
      left.forEach((message, i) => {
        if (!failed.has(i)) recorder.record({ type: 'ok', f: 'send', id: message.envelope.id })
      })
      left = left.filter((_, i) => failed.has(i))
    }
  }
  const run = async (): Promise<void> => {
    const { count = 1_000, batch = 20, keys = 20 } = args
    for (let first = 0; first < count && !stopping; first += batch) {
      await sendAll(
        Array.from({ length: Math.min(batch, count - first) }, (_, i) => produced(args.producer ?? proc, first + i, keys)),
        first,
      )
      if (args.pauseMs !== undefined) await new Promise((resolve) => setTimeout(resolve, args.pauseMs))
    }
    finish()
  }
  return {
    done,
    async start() {
      transport = await openMember(context)
      void run()
    },
    async stop() {
      stopping = true
      await transport.close()
    },
  }
}

/** Message `seq` of a producer: its key, body and headers follow from the number, so that a checker needs no copy. */
export function produced(producer: string, seq: number, keys: number): OutgoingMessage {
  const body = JSON.stringify({ producer, seq, text: 'x'.repeat(seq % 97) })
  const keyed = seq % 11 !== 10
  return {
    channel: 'c',
    sizeBytes: body.length + 200,
    envelope: {
      id: newId(),
      type: 't',
      source: producer,
      time: new Date().toISOString(),
      body,
      headers: { producer },
      ...(keyed ? { partitionkey: `k${seq % keys}` } : {}),
    },
  }
}

function keyAndHash({ envelope }: OutgoingMessage): { sha256: string; key?: string } {
  return {
    sha256: contentHash(envelope.body, envelope.partitionkey, envelope.headers),
    ...(envelope.partitionkey === undefined ? {} : { key: envelope.partitionkey }),
  }
}
