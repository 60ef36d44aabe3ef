/**
 * A transport around another that writes down what it promised: settlements when they are durable, dead letters, and
 * what it reports as lost. The bus above notices nothing.
 */
import type { Consumer, ConsumerObserver, DeadLetterRecord, Delivery, Subscription, Transport, TransportFactory } from '@sluice/core/transport'
import { contentHash, type HistoryEntry, type HistoryRecorder } from '../../history/index.ts'
import { noticeChannel, noticeGroup } from './orders.ts'

interface Recording {
  readonly recorder: HistoryRecorder
  /** Flush after each acceptance, and write down that it is settled. */
  readonly confirm: boolean
  /** Whether its owner is gone: then nothing is written any more. */
  readonly closed: () => boolean
}

export function recordingFactory(factory: TransportFactory, recording: Recording): TransportFactory {
  return { schemes: factory.schemes, open: async (url, context) => recordTransport(await factory.open(url, context), recording) }
}

/** `overrides` over `target`; private fields keep working, for methods are bound to their own object. */
function overlay<T extends object>(target: T, overrides: Partial<T>): T {
  return new Proxy(target, {
    get(object, name) {
      if (name in overrides) return Reflect.get(overrides, name)
      const value: unknown = Reflect.get(object, name, object)
      return typeof value === 'function' ? value.bind(object) : value
    },
  })
}

function recordTransport(transport: Transport, recording: Recording): Transport {
  return overlay(transport, {
    consume: async (subscription: Subscription, observer: ConsumerObserver) => {
      const record = new SettlementRecord(subscription, recording)
      return record.around(await transport.consume(subscription, record.listen(observer)))
    },
  })
}

/** What one consumer settles. */
class SettlementRecord {
  readonly #subscription: Subscription
  readonly #recording: Recording
  readonly #lost: WeakSet<Delivery> = new WeakSet()
  #unconfirmed: Set<Delivery> = new Set()
  #flushing = false

  constructor(subscription: Subscription, recording: Recording) {
    this.#subscription = subscription
    this.#recording = recording
  }

  listen(observer: ConsumerObserver): ConsumerObserver {
    return overlay(observer, {
      lost: (partition) => {
        for (const delivery of this.#unconfirmed) if (delivery.partition === partition) this.#lost.add(delivery)
        this.#write({ type: 'ok', f: 'fault', fault: 'lease-expired', victim: this.#proc })
        observer.lost(partition)
      },
      lostDeliveries: (deliveries) => {
        this.#lose(deliveries)
        observer.lostDeliveries(deliveries)
      },
      settlementLost: (deliveries, error) => {
        this.#lose(deliveries)
        observer.settlementLost(deliveries, error)
      },
    })
  }

  around(consumer: Consumer): Consumer {
    return overlay(consumer, {
      accept: (deliveries) => {
        // Killed between the settlement and the line about it, nobody knows: hence this one before.
        for (const delivery of deliveries) this.#write({ ...this.#about(delivery), type: 'info', f: 'accept' })
        consumer.accept(deliveries)
        if (!this.#recording.confirm) return
        for (const delivery of deliveries) this.#unconfirmed.add(delivery)
        void this.#flush(consumer)
      },
      deadLetter: async (records) => {
        for (const record of records) this.#write(this.#deadLetter(record))
        try {
          await consumer.deadLetter(records)
        } catch (error) {
          this.#write({ type: 'ok', f: 'fault', fault: 'settlement-lost', victim: this.#proc })
          // Fenced: all of them, and for certain. Anything else (the disk) leaves it open.
          if ((error as { code?: unknown }).code === 'LEASE_LOST')
            for (const { delivery } of records) this.#write({ ...this.#about(delivery), type: 'fail', f: 'deadletter' })
          throw error
        }
      },
    })
  }

  async #flush(consumer: Consumer): Promise<void> {
    if (this.#flushing) return
    this.#flushing = true
    try {
      while (this.#unconfirmed.size > 0) {
        const some = [...this.#unconfirmed]
        await consumer.flush()
        for (const delivery of some) {
          this.#unconfirmed.delete(delivery)
          if (!this.#lost.has(delivery)) this.#write({ ...this.#about(delivery), type: 'ok', f: 'accept' })
        }
      }
    } catch {
      // Nothing is known about these: their `info` stands.
      this.#unconfirmed.clear()
    } finally {
      this.#flushing = false
    }
  }

  #lose(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) this.#lost.add(delivery)
    this.#write({ type: 'ok', f: 'fault', fault: 'settlement-lost', victim: this.#proc })
  }

  #deadLetter({ delivery, reason, mode }: DeadLetterRecord): HistoryEntry {
    const { envelope } = delivery
    return {
      ...this.#about(delivery),
      type: 'info',
      f: 'deadletter',
      attempt: reason.attempts,
      sha256: contentHash(envelope.body, envelope.partitionkey, envelope.headers),
      ...(mode === 'park' ? { behind: 'lane' } : {}),
    }
  }

  #about({ envelope }: Delivery): Pick<HistoryEntry, 'group' | 'channel' | 'id' | 'key'> {
    const { channel } = this.#subscription
    const group = channel === noticeChannel ? noticeGroup(this.#proc) : this.#subscription.group
    return { channel, group, id: envelope.id, ...(envelope.partitionkey === undefined ? {} : { key: envelope.partitionkey }) }
  }

  get #proc(): string {
    return this.#recording.recorder.proc
  }

  #write(entry: HistoryEntry): void {
    if (!this.#recording.closed()) this.#recording.recorder.record(entry)
  }
}
