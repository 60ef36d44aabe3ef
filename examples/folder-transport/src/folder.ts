import { mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type ChannelDeclaration,
  type Clock,
  type ErrorCode,
  FailedKeys,
  type GroupDeclaration,
  groupInUse,
  type OutgoingMessage,
  SendCall,
  type SendReport,
  SluiceError,
  type Topology,
  toError,
  unknownGroup,
} from '@sluice/core/transport'
import { Channel } from './channel.ts'
import { syncFolder } from './durable-file.ts'
import { folderBytesMax, messageBytesMax } from './facts.ts'
import { Group } from './group.ts'

/** A message on its way, of a call that waits for it. */
interface Outgoing {
  readonly message: OutgoingMessage
  readonly index: number
  readonly resend: boolean
  readonly call: SendCall
}

// A folder is shared by all transports of this process that name it.
const openFolders = new Map<string, Promise<Folder>>()

/**
 * Everything that lives in one folder: `channels/<name>.jsonl` is a channel, `groups/<channel>/<group>.json` a group's state.
 * `lock` holds the process that has it open.
 */
export class Folder {
  readonly path: string
  readonly channels: Map<string, Channel> = new Map()
  readonly #clock: Clock
  readonly #failed: Map<string, FailedKeys> = new Map()
  #queue: Outgoing[] = []
  #writing: Promise<void> | undefined
  #declaring: Promise<void> = Promise.resolve()
  #bytes = 0
  #broken: SluiceError | undefined
  #users = 1

  private constructor(path: string, clock: Clock) {
    this.path = path
    this.#clock = clock
  }

  /** Opens a folder, or joins those of this process who have it open. */
  static async enter(path: string, clock: Clock): Promise<Folder> {
    const known = await openFolders.get(path)?.catch(() => undefined)
    if (known !== undefined && known.#users > 0) {
      known.#users++
      return known
    }
    const opening = Folder.#open(path, clock)
    openFolders.set(path, opening)
    opening.catch(() => openFolders.delete(path))
    return opening
  }

  static async #open(path: string, clock: Clock): Promise<Folder> {
    for (const folder of [path, join(path, 'channels'), join(path, 'groups')]) await mkdir(folder, { recursive: true, mode: 0o700 })
    await lock(join(path, 'lock'))
    const folder = new Folder(path, clock)
    for (const file of await readdir(join(path, 'channels'))) {
      const [kind, name = ''] = file.slice(0, -'.jsonl'.length).split(/-(.*)/s)
      if (!file.endsWith('.jsonl') || (kind !== 'events' && kind !== 'commands')) continue
      const channel = await folder.#openChannel({ name: decodeURIComponent(name), kind })
      const groups = folder.#groupsFolder(channel.name)
      for (const groupFile of await readdir(groups)) {
        if (!groupFile.endsWith('.json')) continue
        const group = decodeURIComponent(groupFile.slice(0, -'.json'.length))
        const declaration: GroupDeclaration = { channel: channel.name, group, from: 'start', order: 'key', ephemeral: false }
        const saved = await readFile(join(groups, groupFile), 'utf8')
        channel.groups.set(group, new Group(channel, declaration, join(groups, groupFile), saved))
      }
    }
    return folder
  }

  /** The last who leaves closes it. */
  async leave(): Promise<void> {
    if (--this.#users > 0) return
    await this.#writing
    await this.#declaring
    for (const channel of this.channels.values()) {
      for (const group of channel.groups.values()) await group.save().catch(() => {})
      await channel.close()
    }
    await rm(join(this.path, 'lock'), { force: true })
    if ((await openFolders.get(this.path)) === this) openFolders.delete(this.path)
  }

  /** Creates what is missing, one call after the other. */
  declare(topology: Topology): Promise<void> {
    const done = this.#declaring.then(async () => {
      for (const declaration of topology.channels) await this.#declareChannel(declaration)
      for (const declaration of topology.groups) await this.#declareGroup(declaration)
    })
    this.#declaring = done.catch(() => {})
    return done
  }

  group(channel: string, name: string): Group {
    const group = this.channels.get(channel)?.groups.get(name)
    if (group === undefined) throw unknownGroup(channel, name)
    return group
  }

  async removeGroup(channel: string, name: string): Promise<void> {
    const group = this.group(channel, name)
    if (group.members.size > 0) throw groupInUse(channel, name, group.members.size)
    this.channels.get(channel)?.groups.delete(name)
    await group.remove()
    await rm(this.#groupPath(channel, name), { force: true })
    await syncFolder(this.#groupsFolder(channel))
  }

  /** Writes a batch with all others that wait, and syncs once. */
  send(batch: readonly OutgoingMessage[], resend: boolean): Promise<SendReport> {
    const call = new SendCall(batch.length)
    batch.forEach((message, index) => {
      const keys = this.#failedKeys(message.channel)
      const number = keys.next()
      const key = message.envelope.partitionkey
      const behind = keys.has(key, number)
      const error = behind ? refusal('NOT_SENT', 'an earlier message of the same key failed') : this.#refusalOf(message)
      if (error === undefined) this.#queue.push({ message, index, resend, call })
      else {
        if (!behind) keys.add(key)
        call.failed(index, 'failed', error, behind || error.code === 'BACKPRESSURE')
      }
    })
    if (this.#queue.length > 0) this.#writing ??= this.#write()
    return call.report
  }

  /** A reply channel goes with its last group. */
  forgetReplies(name: string): void {
    const channel = this.channels.get(name)
    if (channel?.kind === 'reply' && channel.groups.size === 0) this.channels.delete(name)
  }

  async #write(): Promise<void> {
    // Everything of this turn of the event loop shares a sync.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const queue = this.#queue
      this.#queue = []
      for (const [name, all] of Map.groupBy(queue, ({ message }) => message.channel)) await this.#append(name, all)
    }
    this.#writing = undefined
    for (const keys of this.#failed.values()) keys.idle()
  }

  async #append(name: string, all: readonly Outgoing[]): Promise<void> {
    const channel = this.channels.get(name)
    if (channel === undefined || this.#broken !== undefined) {
      // A reply channel may have gone while these waited.
      const error = this.#broken ?? refusal('UNROUTED', `there is no channel "${name}"`)
      for (const { call, index } of all) call.failed(index, 'failed', error, false)
      return
    }
    const fresh = all.filter(({ message, resend }) => !resend || !channel.has(message.envelope.id))
    try {
      await channel.append(fresh.map(({ message }) => message))
    } catch (cause) {
      // What a failed sync has left on the disk nobody knows: no second try.
      this.#broken = new SluiceError('STORE_SYNC_FAILED', 'a channel of the folder could not be written', { cause: toError(cause) })
      for (const { call, index } of all) call.failed(index, 'unknown', this.#broken, false)
      return
    }
    for (const { message } of fresh) this.#bytes += message.sizeBytes
    for (const { call } of all) call.confirmed()
  }

  #refusalOf({ channel: name, sizeBytes, rejectUnrouted }: OutgoingMessage): SluiceError | undefined {
    const channel = this.channels.get(name)
    if (channel === undefined) return refusal('UNROUTED', `there is no channel "${name}"`)
    if (rejectUnrouted === true && channel.groups.size === 0) return refusal('UNROUTED', `no group asks for the events of channel "${name}"`)
    if (sizeBytes > messageBytesMax) return refusal('MESSAGE_TOO_LARGE', `the message has ${sizeBytes} bytes, and ${messageBytesMax} are allowed`)
    if (this.#bytes + sizeBytes > folderBytesMax) return refusal('BACKPRESSURE', `the folder holds ${folderBytesMax} bytes`)
    return undefined
  }

  async #declareChannel(declaration: ChannelDeclaration): Promise<void> {
    const known = this.channels.get(declaration.name)
    if (known === undefined) {
      await this.#openChannel(declaration)
      return
    }
    if (known.kind !== declaration.kind)
      throw new SluiceError('CONTRACT_CONFLICT', `channel "${known.name}" carries ${known.kind}, and is declared to carry ${declaration.kind}`, {
        fix: 'Give one of the contracts another channel',
      })
    if ((declaration.partitions ?? 0) <= known.partitions) return
    known.partitions = declaration.partitions as number
    for (const group of known.groups.values()) group.rebalance()
  }

  async #openChannel(declaration: ChannelDeclaration): Promise<Channel> {
    const { name, kind } = declaration
    const lasting = kind !== 'reply'
    if (lasting) await mkdir(this.#groupsFolder(name), { recursive: true, mode: 0o700 })
    const path = join(this.path, 'channels', `${kind}-${encodeURIComponent(name)}.jsonl`)
    const channel = await Channel.open(declaration, this.#clock, lasting ? path : undefined)
    for (const { sizeBytes } of channel.messages) this.#bytes += sizeBytes
    this.channels.set(name, channel)
    return channel
  }

  async #declareGroup(declaration: GroupDeclaration): Promise<void> {
    const { channel: name, group: groupName, ephemeral, order, provisional } = declaration
    const channel = this.channels.get(name)
    if (channel === undefined) throw new SluiceError('INVALID_OPTION', `group "${groupName}" belongs to channel "${name}", which was not declared`)
    const known = channel.groups.get(groupName)
    const lasting = !ephemeral && channel.kind !== 'reply'
    const group = known ?? new Group(channel, declaration, lasting ? this.#groupPath(name, groupName) : undefined)
    channel.groups.set(groupName, group)
    group.adopt(declaration)
    if (group.order !== order && provisional !== true)
      throw new SluiceError(
        'CONTRACT_CONFLICT',
        `group "${groupName}" of channel "${name}" is ordered by ${group.order}, and is declared with order ${order}`,
        {
          fix: 'Use the same order in all members, or remove the group first',
        },
      )
    await group.save()
  }

  #failedKeys(channel: string): FailedKeys {
    let keys = this.#failed.get(channel)
    if (keys === undefined) {
      keys = new FailedKeys()
      this.#failed.set(channel, keys)
    }
    return keys
  }

  #groupsFolder(channel: string): string {
    return join(this.path, 'groups', encodeURIComponent(channel))
  }

  #groupPath(channel: string, group: string): string {
    return join(this.#groupsFolder(channel), `${encodeURIComponent(group)}.json`)
  }
}

/** One process has a folder open. A lock whose process is dead is taken over. */
async function lock(path: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      const file = await open(path, 'wx', 0o600)
      await file.writeFile(String(process.pid))
      await file.close()
      return
    } catch (cause) {
      const holder = Number(await readFile(path, 'utf8').catch(() => ''))
      if (attempt > 0 || (holder !== process.pid && isAlive(holder)))
        throw new SluiceError('TRANSPORT_FAILED', `process ${holder} has the folder open`, { cause: toError(cause), fix: 'Stop it, or use another folder' })
      await rm(path, { force: true })
    }
  }
}

function isAlive(pid: number): boolean {
  if (!(pid > 0)) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return toError(error).message.includes('EPERM')
  }
}

function refusal(code: ErrorCode, message: string): SluiceError {
  return new SluiceError(code, message)
}
