/** An instance's own reply channel: one partition of the topic of replies, read from now on, without a group. */
import type { Consumer, ConsumerObserver, Delivery, Subscription, Timer } from '@sluice/core/transport'
import type { KafkaBus } from '../kafka-bus.ts'
import { Fetcher } from '../link/fetcher.ts'
import { latest, listOffsets } from '../protocol/requests/topics.ts'
import { fromRecord } from '../wire.ts'
import { aliveEveryMs } from './sweeper.ts'

const partitionName = '0/1'

/** See the header of this file. */
export class ReplyConsumer implements Consumer {
  readonly lot: undefined = undefined
  readonly #bus: KafkaBus
  readonly #subscription: Subscription
  readonly #fetcher: Fetcher
  readonly #left: (consumer: ReplyConsumer) => void
  #buffer: Delivery[] = []
  #waiter: { readonly countMax: number; readonly resolve: (deliveries: readonly Delivery[]) => void } | undefined
  #alive: Timer | undefined
  #closed = false

  constructor(bus: KafkaBus, subscription: Subscription, left: (consumer: ReplyConsumer) => void) {
    this.#bus = bus
    this.#subscription = subscription
    this.#left = left
    this.#fetcher = new Fetcher(bus)
  }

  async open(partition: number, observer: ConsumerObserver): Promise<void> {
    const { cluster, names } = this.#bus
    const topic = names.replies
    const asked = new Map([[topic, [{ partition, timestampMs: latest }]]])
    const found = await cluster.persist(15_000, () => cluster.atLeaders(asked, listOffsets, (part) => part))
    const position = { offset: found.get(topic)?.[0]?.offset ?? 0 }
    this.#fetcher.add({
      topic,
      partition,
      get offset() {
        return position.offset
      },
      wanted: true,
      take: (records, nextOffset) => {
        position.offset = nextOffset
        for (const record of records) {
          const to = record.headers.find(([name]) => name === 'sluice-reply')?.[1]?.toString()
          if (to !== this.#subscription.channel) continue
          const fresh = { attempt: 0, deliveries: 0, firstDeliveredAtMs: undefined, notBeforeMs: 0, suspect: false, fromLot: false, note: undefined }
          this.#buffer.push({ ...fromRecord(record, topic), partition: partitionName, ...fresh })
        }
        this.#serve()
      },
      missed: (logStart) => {
        position.offset = logStart
      },
    })
    observer.assigned(partitionName, [])
    this.#stayAlive(partition)
  }

  #stayAlive(partitions: number): void {
    this.#alive = this.#bus.context.clock.setTimer(aliveEveryMs, () => {
      const { registry, context } = this.#bus
      const { channel } = this.#subscription
      void registry.append({ op: 'channel', name: channel, kind: 'reply', partitions, nowMs: context.clock.nowMs() }).catch(() => undefined)
      this.#stayAlive(partitions)
    })
  }

  receive(countMax: number): Promise<readonly Delivery[]> {
    if (this.#closed) return Promise.resolve([])
    return new Promise((resolve) => {
      this.#waiter = { countMax, resolve }
      this.#serve()
    })
  }

  accept(): void {}

  release(deliveries: readonly Delivery[]): void {
    this.#buffer.unshift(...deliveries)
    this.#serve()
  }

  async record(): Promise<void> {}

  async deadLetter(): Promise<void> {}

  async flush(): Promise<void> {}

  groupTypes(): ReadonlyMap<string, number> {
    return new Map(this.#subscription.types.map((type) => [type, 1]))
  }

  yieldPartition(): void {}

  get inFlight(): number {
    return 0
  }

  crash(): void {
    this.#closed = true
    this.#alive?.cancel()
    void this.#fetcher.close()
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#alive?.cancel()
    this.#waiter?.resolve([])
    this.#waiter = undefined
    await this.#fetcher.close()
    await this.#bus.topology.removeReplies(this.#subscription.channel).catch(() => undefined)
    this.#left(this)
  }

  #serve(): void {
    const waiter = this.#waiter
    if (waiter === undefined || this.#buffer.length === 0) return
    this.#waiter = undefined
    waiter.resolve(this.#buffer.splice(0, waiter.countMax))
  }
}
