import type { Clock, Random } from '../../clock/index.ts'
import { type Contract, ContractRegistry } from '../../contract/index.ts'
import { sendEvents } from '../../diagnostics/index.ts'
import { SluiceError } from '../../errors/index.ts'
import { messageBytesMaxDefault } from '../../message/index.ts'
import type { GroupDeclaration, OutgoingMessage, SendReport, Topology, Transport } from '../../transport/index.ts'
import type { LimitOptions } from '../connect/api.ts'
import type { RouteTable } from '../connect/route-table.ts'
import { Sender } from '../sender/sender.ts'
import type { ContractRoute, Route } from './route.ts'

/** What routes need. */
export interface RoutesOptions {
  readonly instanceId: string
  readonly table: RouteTable
  /** Open transports by URL, as in the table. */
  readonly transports: ReadonlyMap<string, { readonly transport: Transport; readonly shownUrl: string }>
  readonly clock: Clock
  readonly random: Random
  readonly limits: LimitOptions
}

/** Which transport a contract's messages travel on, and what its channel needs to exist. */
export class Routes {
  readonly registry: ContractRegistry = new ContractRegistry()
  readonly #options: RoutesOptions
  readonly #routes: Map<string, Route> = new Map()
  readonly #contracts: Map<Contract, ContractRoute> = new Map()
  readonly #order: Map<string, ContractRoute['order']> = new Map()
  #closed = false

  constructor(options: RoutesOptions) {
    this.#options = options
    for (const [url, { transport, shownUrl }] of options.transports) this.#routes.set(url, this.#open(transport, shownUrl))
  }

  /** All open routes. */
  all(): readonly Route[] {
    return [...this.#routes.values()]
  }

  /** @throws SluiceError CONTRACT_CONFLICT, INVALID_OPTION, BUS_STOPPED. */
  of(contract: Contract): ContractRoute {
    this.checkOpen()
    const known = this.#contracts.get(contract)
    if (known !== undefined) return known
    this.registry.register(contract)
    let order = this.#order.get(contract.channel)
    if (order === undefined) {
      order = { tail: undefined }
      this.#order.set(contract.channel, order)
    }
    const made: ContractRoute = { contract, route: this.ofChannel(contract.channel), order }
    this.#contracts.set(contract, made)
    return made
  }

  ofChannel(channel: string): Route {
    return this.#routes.get(this.#options.table.urlOf(channel)) as Route
  }

  /**
   * What a channel needs: itself with its settings, the groups its events must reach, and a command channel's only
   * group, which the first sender declares so that commands wait there.
   */
  topologyOf(name: string): Topology {
    const channel = this.registry.channel(name)
    if (channel === undefined) return { channels: [], groups: [] }
    const names = channel.kind === 'commands' ? [name] : [...channel.groups]
    const groups = names.map((group): GroupDeclaration => ({ channel: name, group, from: 'start', order: 'key', ephemeral: false, provisional: true }))
    const settings = {
      ...(channel.partitions === undefined ? {} : { partitions: channel.partitions }),
      ...(channel.retention === undefined ? {} : { retention: channel.retention }),
    }
    return { channels: [{ name, kind: channel.kind, ...settings }], groups }
  }

  /** @throws SluiceError BUS_STOPPED. */
  checkOpen(): void {
    if (this.#closed) throw new SluiceError('BUS_STOPPED', 'the bus was stopped', { fix: 'Connect again' })
  }

  /** From now on contracts are refused with BUS_STOPPED. */
  refuse(): void {
    this.#closed = true
  }

  /** Waits for what is outstanding, then closes all transports. */
  async close(deadlineMs: number): Promise<void> {
    const routes = this.all()
    await Promise.all(routes.map((route) => route.sender.drain(deadlineMs)))
    await Promise.all(routes.map((route) => route.transport.close()))
  }

  #open(transport: Transport, url: string): Route {
    const { instanceId, clock, random, limits } = this.#options
    const sender = new Sender({
      transport,
      instanceId,
      clock,
      random,
      countMax: limits.publishBufferCountMax ?? 100_000,
      bytesMax: limits.publishBufferBytesMax ?? 64 * 1024 * 1024,
      topologyOf: (channel) => this.topologyOf(channel),
      sent: (batch, startedMs, report) => announce(transport, clock, batch, startedMs, report),
    })
    return { url, transport, sender, messageBytesMax: Math.min(limits.messageBytesMax ?? messageBytesMaxDefault, transport.facts.messageBytesMax) }
  }
}

function announce(transport: Transport, clock: Clock, batch: readonly OutgoingMessage[], startedMs: number, report: SendReport): void {
  if (!sendEvents.hasSubscribers) return
  const error = report.failures[0]?.error
  sendEvents.publish({
    transport: transport.facts.name,
    channel: batch[0]?.channel,
    count: batch.length,
    failed: report.failures.length,
    envelopes: batch.map((message) => message.envelope),
    durationMs: clock.monotonicMs() - startedMs,
    ...(error === undefined ? {} : { error }),
  })
}
