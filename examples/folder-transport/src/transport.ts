import { resolve } from 'node:path'
import {
  type Consumer,
  type ConsumerObserver,
  type DeadLetterQuery,
  type OutgoingMessage,
  type SendOptions,
  type SendReport,
  SluiceError,
  type Subscription,
  type Topology,
  type Transport,
  type TransportAdmin,
  type TransportContext,
  type TransportFacts,
} from '@sluice/core/transport'
import { FolderConsumer } from './consumer.ts'
import { facts } from './facts.ts'
import { Folder } from './folder.ts'

/** A connection to a folder. */
export class FolderTransport implements Transport {
  readonly facts: TransportFacts = facts
  readonly admin: TransportAdmin
  readonly #folder: Folder
  readonly #instanceId: string
  readonly #consumers: Set<{ readonly consumer: FolderConsumer; readonly channel: string }> = new Set()
  #closed = false

  private constructor(folder: Folder, { instanceId }: TransportContext) {
    this.#folder = folder
    this.#instanceId = instanceId
    this.admin = administration(() => this.#open())
  }

  static async open(url: string, context: TransportContext): Promise<FolderTransport> {
    const path = url.replace(/^folder:(\/\/)?/, '')
    if (path === '' || path.includes('?')) throw new SluiceError('INVALID_OPTION', 'the URL names no folder', { fix: 'Write folder:./bus' })
    return new FolderTransport(await Folder.enter(resolve(path), context.clock), context)
  }

  async declare(topology: Topology): Promise<void> {
    await this.#open().declare(topology)
  }

  async send(batch: readonly OutgoingMessage[], options: SendOptions = {}): Promise<SendReport> {
    const folder = this.#open()
    if (options.transaction !== undefined) throw unsupported('joins no transaction')
    return folder.send(batch, options.resend === true)
  }

  async consume(subscription: Subscription, observer: ConsumerObserver): Promise<Consumer> {
    const folder = this.#open()
    const { channel, kind, group } = subscription
    await folder.declare({ channels: [{ name: channel, kind }], groups: [subscription] })
    const consumer = new FolderConsumer(`${this.#instanceId}/${this.#consumers.size}`, folder.group(channel, group), subscription, observer)
    this.#consumers.add({ consumer, channel })
    folder.group(channel, group).join(consumer)
    return consumer
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const { consumer, channel } of this.#consumers) {
      await consumer.close()
      this.#folder.forgetReplies(channel)
    }
    await this.#folder.leave()
  }

  #open(): Folder {
    if (this.#closed) throw new SluiceError('TRANSPORT_CLOSED', 'the folder transport was closed')
    return this.#folder
  }
}

function administration(open: () => Folder): TransportAdmin {
  const changed = async (channel: string, group: string, change: (group: ReturnType<Folder['group']>) => number): Promise<number> => {
    const found = open().group(channel, group)
    const count = change(found)
    await found.save()
    return count
  }
  return {
    groups: async (channel) =>
      [...open().channels.values()]
        .filter(({ name }) => channel === undefined || name === channel)
        .flatMap(({ groups }) => [...groups.values()].map((group) => group.status())),
    channels: async () =>
      [...open().channels.values()].map(({ name, kind, messages, unrouted }) => ({
        ...{ channel: name, kind, stored: messages.length, kept: messages.length, unrouted, scheduled: 0 },
      })),
    removeGroup: async (channel, group) => open().removeGroup(channel, group),
    setPaused: async (channel, group, paused) => {
      await changed(channel, group, (found) => {
        found.setPaused(paused)
        return 0
      })
    },
    replay: async () => {
      throw unsupported('delivers nothing again')
    },
    purge: (channel, group) => changed(channel, group, (found) => found.purge()),
    deadLetters: async (channel, group, query) => open().group(channel, group).deadLetters(query),
    redrive: (channel, group, query: DeadLetterQuery) => changed(channel, group, (found) => found.exhume(query, true)),
    discard: (channel, group, query: DeadLetterQuery) => changed(channel, group, (found) => found.exhume(query, false)),
    browse: async () => {
      throw unsupported('shows nothing without consuming it')
    },
    cancel: async () => false,
    putSchedule: async () => {
      throw unsupported('keeps no schedules')
    },
    removeSchedule: async () => false,
    schedules: async () => [],
    fireSchedule: async () => false,
  }
}

function unsupported(what: string): SluiceError {
  return new SluiceError('UNSUPPORTED', `the folder transport ${what}`, { fix: 'Use a file: URL' })
}
