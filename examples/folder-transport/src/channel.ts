import type { FileHandle } from 'node:fs/promises'
import { type ChannelDeclaration, type Clock, type Envelope, fromStructured, sizeOf, toStructured } from '@sluice/core/transport'
import { openLines } from './durable-file.ts'
import { folderBytesMax } from './facts.ts'
import type { Group } from './group.ts'
import type { GroupHome, StoredMessage } from './model.ts'

/** Partitions of a channel that names none. */
const partitionsDefault = 8

/** A channel: a file with a CloudEvent a line, which only grows. A reply channel has none, it lives as long as its instance. */
export class Channel implements GroupHome {
  readonly name: string
  readonly kind: ChannelDeclaration['kind']
  partitions: number
  readonly clock: Clock
  readonly groups: Map<string, Group> = new Map()
  readonly messages: StoredMessage[] = []
  readonly #ids: Set<string> = new Set()
  readonly #file: FileHandle | undefined
  unrouted = 0

  private constructor({ name, kind, partitions = partitionsDefault }: ChannelDeclaration, clock: Clock, file: FileHandle | undefined) {
    this.name = name
    this.kind = kind
    this.partitions = partitions
    this.clock = clock
    this.#file = file
  }

  /** Reads what is there. `path`: its file; undefined: it is kept in memory. */
  static async open(declaration: ChannelDeclaration, clock: Clock, path: string | undefined): Promise<Channel> {
    if (path === undefined) return new Channel(declaration, clock, undefined)
    const { lines, file } = await openLines(path)
    const channel = new Channel(declaration, clock, file)
    for (const line of lines) {
      const [storedAtMs, text] = JSON.parse(line) as [number, string]
      const envelope = fromStructured(text, { receivedAtMs: storedAtMs, bytesMax: folderBytesMax })
      channel.#keep({ position: channel.messages.length, envelope, storedAtMs, sizeBytes: sizeOf(envelope) })
    }
    return channel
  }

  /** Whether a message with this id is here: it is being sent again. */
  has(id: string): boolean {
    return this.#ids.has(id)
  }

  /** Writes messages and syncs; then every group has them. */
  async append(messages: readonly { readonly envelope: Envelope; readonly sizeBytes: number }[]): Promise<void> {
    const storedAtMs = this.clock.nowMs()
    if (this.#file !== undefined) {
      // As a string in JSON: the data of a message may hold line ends.
      await this.#file.write(messages.map(({ envelope }) => `${JSON.stringify([storedAtMs, toStructured(envelope)])}\n`).join(''))
      await this.#file.datasync()
    }
    for (const { envelope, sizeBytes } of messages) {
      const stored: StoredMessage = { position: this.messages.length, envelope, storedAtMs, sizeBytes }
      this.#keep(stored)
      if (this.groups.size === 0) this.unrouted++
      for (const group of this.groups.values()) group.append(stored)
    }
  }

  groupGone(name: string): void {
    this.groups.delete(name)
  }

  async close(): Promise<void> {
    await this.#file?.close()
  }

  #keep(message: StoredMessage): void {
    this.messages.push(message)
    this.#ids.add(message.envelope.id)
  }
}
