import type { Clock, Timer } from '../../clock/index.ts'
import { type ErrorCode, SluiceError } from '../../errors/index.ts'
import type { ChannelDeclaration, GroupDeclaration, OutgoingMessage, ScheduleRecord, SendFailure, SendOptions, SendReport, Topology } from '../transport.ts'
import { Channel, type ChannelHome } from './channel.ts'
import type { Group } from './group.ts'

/** Largest message, bytes. The core's own limit is lower by default. */
export const messageBytesMax: number = 16 * 1024 * 1024
/** Bytes that one channel keeps at most, backlog included; beyond, sending fails with BACKPRESSURE. */
const channelBytesMax = 512 * 1024 * 1024
// Timers count monotonic time; looking at the wall clock now and then notices when it was set.
const wakeMsMax = 1_000

/** Everything that lives under one `memory:` name. */
export class Broker implements ChannelHome {
  clock: Clock
  readonly channels: Map<string, Channel> = new Map()
  readonly schedules: Map<string, ScheduleRecord> = new Map()
  #users = 0
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** A transport opened on it; the first one brings the clock. */
  enter(clock: Clock): void {
    if (this.#users++ === 0) this.clock = clock
    this.arm()
  }

  leave(): void {
    if (--this.#users > 0) return
    this.#timer?.cancel()
    this.#timer = undefined
  }

  declare(topology: Topology): void {
    for (const declaration of topology.channels) this.channel(declaration)
    for (const declaration of topology.groups) this.group(declaration)
  }

  channel(declaration: ChannelDeclaration): Channel {
    const known = this.channels.get(declaration.name)
    if (known === undefined) {
      const channel = new Channel(this, declaration)
      this.channels.set(channel.name, channel)
      return channel
    }
    if (known.kind !== declaration.kind) {
      throw new SluiceError('CONTRACT_CONFLICT', `channel "${known.name}" carries ${known.kind}, and is declared to carry ${declaration.kind}`, {
        fix: 'Give one of the contracts another channel',
      })
    }
    known.configure(declaration)
    return known
  }

  group(declaration: GroupDeclaration): Group {
    const channel = this.channels.get(declaration.channel)
    if (channel === undefined)
      throw new SluiceError('INVALID_OPTION', `group "${declaration.group}" belongs to channel "${declaration.channel}", which was not declared`)
    const group = channel.group(declaration)
    if (group.order !== declaration.order && declaration.provisional !== true) {
      throw new SluiceError(
        'CONTRACT_CONFLICT',
        `group "${group.name}" of channel "${channel.name}" is ordered by ${group.order}, and is declared with order ${declaration.order}`,
        { fix: 'Use the same order in all members, or remove the group first' },
      )
    }
    return group
  }

  removeChannel(name: string): void {
    this.channels.delete(name)
  }

  send(batch: readonly OutgoingMessage[], options: SendOptions): SendReport {
    const failures: SendFailure[] = []
    const failedKeys = new Set<string>()
    const duplicates = new Map<number, string>()
    batch.forEach((message, index) => {
      const lane = message.envelope.partitionkey === undefined ? undefined : `${message.channel}\n${message.envelope.partitionkey}`
      const failure =
        lane !== undefined && failedKeys.has(lane)
          ? refuse(index, 'NOT_SENT', 'an earlier message of the same key failed', true)
          : this.#refusal(message, index)
      if (failure !== undefined) {
        failures.push(failure)
        if (lane !== undefined) failedKeys.add(lane)
        return
      }
      const kept = (this.channels.get(message.channel) as Channel).accept(message, options.resend === true)
      if (kept !== undefined) duplicates.set(index, kept)
    })
    return duplicates.size > 0 ? { failures, duplicates } : { failures }
  }

  /** Sees to it that delayed messages come out when they are due. */
  arm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#users === 0) return
    const nowMs = this.clock.nowMs()
    let nextMs = Infinity
    for (const channel of this.channels.values()) nextMs = Math.min(nextMs, channel.release(nowMs))
    if (nextMs < Infinity) this.#timer = this.clock.setTimer(Math.min(nextMs - nowMs, wakeMsMax), () => this.arm())
  }

  #refusal(message: OutgoingMessage, index: number): SendFailure | undefined {
    const channel = this.channels.get(message.channel)
    if (channel === undefined) return refuse(index, 'UNROUTED', `there is no channel "${message.channel}"`, false)
    if (message.rejectUnrouted === true && channel.groups.size === 0)
      return refuse(index, 'UNROUTED', `no group asks for the events of channel "${message.channel}"`, false)
    if (message.sizeBytes > messageBytesMax)
      return refuse(index, 'MESSAGE_TOO_LARGE', `the message has ${message.sizeBytes} bytes, and ${messageBytesMax} are allowed`, false)
    if (channel.fullBytes + message.sizeBytes > channelBytesMax)
      return refuse(index, 'BACKPRESSURE', `channel "${message.channel}" holds ${channelBytesMax} bytes that no group has accepted`, true)
    return undefined
  }
}

function refuse(index: number, code: ErrorCode, message: string, retryable: boolean): SendFailure {
  return { index, state: 'failed', error: new SluiceError(code, message), retryable }
}
