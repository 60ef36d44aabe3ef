/** An instance's own reply channel: one partition of the topic of replies, read from now on, without a group. */
import { type ConsumerObserver, firstDelivery, type Subscription, type Timer, UnsettledConsumer } from '@sluice/core/transport'
import type { KafkaBus } from '../kafka-bus.ts'
import { Fetcher } from '../link/fetcher.ts'
import { latest, listOffsets } from '../protocol/requests/topics.ts'
import { fromRecord } from '../wire.ts'
import { aliveEveryMs } from './sweeper.ts'

const partitionName = '0/1'

/** See the header of this file. */
export class ReplyConsumer extends UnsettledConsumer {
  readonly #bus: KafkaBus
  readonly #subscription: Subscription
  readonly #fetcher: Fetcher
  readonly #left: (consumer: ReplyConsumer) => void
  #alive: Timer | undefined
  #crashed = false

  constructor(bus: KafkaBus, subscription: Subscription, left: (consumer: ReplyConsumer) => void) {
    super(subscription)
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
          this.heard({ ...firstDelivery, ...fromRecord(record, topic), partition: partitionName })
        }
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

  get inFlight(): number {
    return 0
  }

  crash(): void {
    this.#crashed = true
    this.#alive?.cancel()
    void this.#fetcher.close()
  }

  protected async leave(): Promise<void> {
    if (this.#crashed) return
    this.#alive?.cancel()
    await this.#fetcher.close()
    await this.#bus.topology.removeReplies(this.#subscription.channel).catch(() => undefined)
    this.#left(this)
  }
}
