import type { DeadLetter, GroupStatus, Transport, TransportFactory } from '@sluice/core/transport'
import { HistoryRecorder } from '../../history/index.ts'
import type { Actor, ActorOrder, DrainStatus, Operation } from './actor-order.ts'
import { MovableClock } from './movable-clock.ts'
import { derivedChannel, noticeChannel, orderChannel, questionChannel, workChannel } from './orders.ts'

/** A person who looks after the groups: puts dead letters back, discards, pauses, adds partitions, replays. */
export class OperatorActor implements Actor {
  readonly #order: ActorOrder
  readonly #factory: TransportFactory
  readonly #recorder: HistoryRecorder
  readonly #clock: MovableClock
  #transport: Transport | undefined
  #partitions: number

  constructor(order: ActorOrder, factory: TransportFactory) {
    this.#order = order
    this.#factory = factory
    this.#recorder = new HistoryRecorder(order.history, order.proc)
    this.#clock = new MovableClock(order.clockMs)
    this.#partitions = order.plan.partitions
  }

  async start(): Promise<void> {
    const { place, proc, plan } = this.#order
    this.#transport = await this.#factory.open(place.url, { clock: this.#clock, service: proc, instanceId: proc, report() {}, options: place.options })
    // The groups exist before the first message.
    await this.#transport.declare({
      channels: [orderChannel, derivedChannel].map((name) => ({ name, kind: 'events' as const, partitions: plan.partitions })),
      groups: [
        ...plan.groups.map(({ name, order }) => ({ channel: orderChannel, group: name, from: 'start' as const, order, ephemeral: false })),
        { channel: derivedChannel, group: 'derived', from: 'start' as const, order: 'key' as const, ephemeral: false },
      ],
    })
  }

  async stop(): Promise<void> {
    await this.#transport?.close()
    this.#recorder.close()
  }

  jump(ms: number): void {
    this.#clock.jump(ms)
  }

  async operate(operation: Operation, random: number): Promise<DrainStatus | undefined> {
    const { admin } = this.#transport as Transport
    const groups = this.#order.plan.groups
    const group = groups[Math.floor(random * groups.length)]?.name as string
    switch (operation) {
      case 'status':
        return this.#status()
      case 'redrive-all':
        for (const { channel, group: name } of await this.#rows())
          await this.#resolve('redrive', channel, name, await admin.deadLetters(channel, name, { limit: 500 }))
        return undefined
      case 'redrive':
      case 'discard': {
        const dead = await admin.deadLetters(orderChannel, group, { limit: 50 })
        await this.#resolve(
          operation,
          orderChannel,
          group,
          dead.filter((_, i) => (i * 0.37 + random) % 1 < 0.5),
        )
        return undefined
      }
      case 'pause':
      case 'resume':
        await admin.setPaused(orderChannel, group, operation === 'pause')
        return undefined
      case 'grow':
        this.#partitions += 1 + Math.floor(random * 4)
        await this.#transport?.declare({ channels: [{ name: orderChannel, kind: 'events', partitions: this.#partitions }], groups: [] })
        return undefined
      case 'replay':
        return this.#replay(group)
    }
  }

  /** Who accepted while it went on was told so before the file said otherwise. */
  async #replay(group: string): Promise<undefined> {
    const about = { f: 'replay', channel: orderChannel, group } as const
    this.#recorder.record({ ...about, type: 'invoke' })
    try {
      await (this.#transport as Transport).admin.replay(orderChannel, group, undefined, undefined)
      this.#recorder.record({ ...about, type: 'ok' })
    } catch (error) {
      // Refused (a lane waits in the lot), or nobody knows.
      this.#recorder.record({ ...about, type: (error as { code?: unknown }).code === 'UNSUPPORTED' ? 'fail' : 'info' })
    }
  }

  /** Written before it is done: what comes again may be quicker than the answer. */
  async #resolve(operation: 'redrive' | 'discard', channel: string, group: string, dead: readonly DeadLetter[]): Promise<void> {
    if (dead.length === 0) return
    for (const { envelope } of dead)
      this.#recorder.record({
        type: 'info',
        f: operation,
        channel,
        group,
        id: envelope.id,
        ...(envelope.partitionkey === undefined ? {} : { key: envelope.partitionkey }),
      })
    await (this.#transport as Transport).admin[operation](channel, group, { deadLetterIds: dead.map(({ deadLetterId }) => deadLetterId) })
  }

  /** The groups of the run; of those that go with their instance (notices, replies), those whose instance is there. */
  async #rows(): Promise<readonly GroupStatus[]> {
    const lasting = new Set([orderChannel, derivedChannel, workChannel, questionChannel])
    return (await (this.#transport as Transport).admin.groups()).filter(
      ({ channel, consumers }) => lasting.has(channel) || (channel === noticeChannel && consumers > 0),
    )
  }

  async #status(): Promise<DrainStatus> {
    const { admin } = this.#transport as Transport
    const rows = await this.#rows()
    const scheduled = (await admin.channels()).reduce((sum, row) => sum + row.scheduled, 0)
    const sum = (name: 'backlog' | 'deadLetters'): number => rows.reduce((total, row) => total + row[name], 0)
    return { backlog: sum('backlog'), deadLetters: sum('deadLetters'), scheduled, text: JSON.stringify({ rows, scheduled }) }
  }
}
