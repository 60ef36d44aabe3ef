import { type Clock, newId, type Random, type Timer } from '../../clock/index.ts'
import type { CommandContract, Contract, ContractInput, EventContract, RequestContract } from '../../contract/index.ts'
import { createEvents } from '../../diagnostics/index.ts'
import { SluiceError, toError } from '../../errors/index.ts'
import { type Codec, CodecRegistry, type CompressionOptions, messageBytesMaxDefault, sizeOf } from '../../message/index.ts'
import { type RetryPolicy, retryPolicy } from '../../policy/index.ts'
import type { OutgoingMessage, TransportReport } from '../../transport/index.ts'
import { Administration } from '../administration/administration.ts'
import type { DeadLetters, GroupOption, GroupRow, Groups, ReplayOptions } from '../administration/api.ts'
import type { LimitOptions } from '../connect/api.ts'
import type { Explanation, RouteExplanation } from '../guarantee/api.ts'
import { compileSending } from '../guarantee/compile.ts'
import { explanationOf } from '../guarantee/explain.ts'
import type { HandlerHandle } from '../handler/api.ts'
import { ContractBinding } from '../handler/contract-binding.ts'
import { Handlers } from '../handler/handlers.ts'
import { type AnyHandler, type AnyHandlerOptions, type Registration, register } from '../handler/registration.ts'
import { FaultLog } from '../logging/fault-log.ts'
import type { Log } from '../logging/log.ts'
import type { Middleware } from '../middleware/api.ts'
import { checkMiddleware } from '../middleware/chain.ts'
import { checkOptionNames, optionNames } from '../options/option-names.ts'
import type { RequestOptions } from '../request-reply/api.ts'
import { Replier } from '../request-reply/replier.ts'
import { Requests } from '../request-reply/requests.ts'
import type { ScheduleHandle, ScheduleOptions } from '../schedule/api.ts'
import { Scheduler } from '../schedule/scheduler.ts'
import type { PublishEntry, PublishManyOptions, PublishOptions, PublishReceipt } from '../sender/api.ts'
import { MessageMaker } from '../sender/message-maker.ts'
import { makeOutgoing } from '../sender/outgoing.ts'
import { Publisher, publishTimeoutMs } from '../sender/publisher.ts'
import type { Bus, StopReport } from './api.ts'
import type { ContractRoute, Route } from './route.ts'
import type { Routes } from './routes.ts'

/** What `connect` settled. */
export interface BusParts {
  readonly service: string
  readonly instanceId: string
  readonly routes: Routes
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  readonly limits: LimitOptions
  readonly retry: Partial<RetryPolicy> | undefined
  readonly compression: CompressionOptions | undefined
  readonly codecs: readonly Codec[]
  readonly holdMaxMs: number
  report(event: TransportReport): void
}

const stopDeadlineMs = 30_000

/** The bus: puts sender, handlers, requests, schedules and administration together. Each lives in its own folder. */
export class SluiceBus implements Bus {
  readonly service: string
  readonly instanceId: string
  readonly #parts: BusParts
  readonly #routes: Routes
  readonly #codecs: CodecRegistry
  readonly #maker: MessageMaker
  readonly #publisher: Publisher
  readonly #requests: Requests
  readonly #handlers: Handlers
  readonly #scheduler: Scheduler
  readonly #administration: Administration
  readonly #faults: FaultLog
  readonly #messageBytesMax: number
  #middleware: readonly Middleware[] = []
  #starting: Promise<void> | undefined
  #stopping: Promise<StopReport> | undefined
  #lateReplies = 0
  /** A bus that consumes keeps its process alive until it is stopped. */
  #hold: Timer | undefined

  constructor(parts: BusParts) {
    this.#parts = parts
    this.service = parts.service
    this.instanceId = parts.instanceId
    this.#routes = parts.routes
    this.#faults = new FaultLog(parts.log, parts.clock)
    this.#codecs = new CodecRegistry(parts.codecs)
    this.#messageBytesMax = parts.limits.messageBytesMax ?? messageBytesMaxDefault
    const routeOf = (contract: Contract): ContractRoute => this.#routes.of(contract)
    const middleware = (): readonly Middleware[] => this.#middleware
    this.#maker = new MessageMaker({ service: parts.service, clock: parts.clock, codecs: this.#codecs, compression: parts.compression, middleware })
    this.#publisher = new Publisher(this.#maker, { routeOf, created: (contract, message) => announceCreated(contract, message) })
    this.#requests = new Requests({
      publisher: this.#publisher,
      routeOf,
      newId: () => newId(parts.clock.nowMs()),
      instanceId: parts.instanceId,
      clock: parts.clock,
      codecs: this.#codecs,
      pendingMax: parts.limits.pendingRequestsMax ?? 10_000,
      late: () => {
        this.#lateReplies++
      },
      failed: (error) => parts.log.error('the reply channel failed; the next request opens it again', { error }),
    })
    this.#handlers = new Handlers({
      ...{ clock: parts.clock, random: parts.random, service: parts.service, instanceId: parts.instanceId, holdMaxMs: parts.holdMaxMs },
      windowCountMax: parts.limits.windowCountMax,
      windowBytesMax: parts.limits.windowBytesMax ?? 16 * 1024 * 1024,
      routeOf,
      topologyOf: (channel) => this.#routes.topologyOf(channel),
      bind: (registration, channel, group, retry, route, holdsNewer) => this.#bind(registration, channel, group, retry, route, holdsNewer),
      report: (event) => parts.report(event),
      failed: (error) => parts.log.error('a handler that was added to a running bus could not start', { error }),
    })
    this.#scheduler = new Scheduler({
      clock: parts.clock,
      failed: (name, error) => parts.log.error('a schedule could not be fired and is tried again', { schedule: name, error }),
    })
    this.#administration = new Administration({
      service: parts.service,
      codecs: this.#codecs,
      messageBytesMax: this.#messageBytesMax,
      routes: () => {
        this.#routes.checkOpen()
        return this.#routes.all()
      },
      routeOf: (contract) => this.#routes.of(contract).route,
      nowMs: () => parts.clock.nowMs(),
    })
  }

  // ---------------------------------------------------------------- sending

  publish<Input>(event: EventContract<Input, unknown>, data: NoInfer<Input>, options?: PublishOptions): Promise<PublishReceipt> {
    return this.#publisher.one('event', event, data, options)
  }

  publishMany<Input>(
    event: EventContract<Input, unknown>,
    entries: readonly PublishEntry<NoInfer<Input>>[],
    options?: PublishManyOptions,
  ): Promise<readonly PublishReceipt[]> {
    return this.#publisher.many('event', event, entries, options)
  }

  send<Input>(command: CommandContract<Input, unknown>, data: NoInfer<Input>, options?: PublishOptions): Promise<PublishReceipt> {
    return this.#publisher.one('command', command, data, options)
  }

  sendMany<Input>(
    command: CommandContract<Input, unknown>,
    entries: readonly PublishEntry<NoInfer<Input>>[],
    options?: PublishManyOptions,
  ): Promise<readonly PublishReceipt[]> {
    return this.#publisher.many('command', command, entries, options)
  }

  request<Input, Reply>(request: RequestContract<Input, unknown, unknown, Reply>, data: NoInfer<Input>, options?: RequestOptions): Promise<Reply> {
    return this.#requests.request(request, data, options) as Promise<Reply>
  }

  // ---------------------------------------------------------------- handling

  on(events: EventContract | readonly EventContract[], handler: (...args: never[]) => unknown, options: AnyHandlerOptions = {}): HandlerHandle {
    return this.#register('on', isContractList(events) ? events : [events], handler, options)
  }

  handle(contract: CommandContract | RequestContract, handler: (...args: never[]) => unknown, options: AnyHandlerOptions = {}): HandlerHandle {
    return this.#register('handle', [contract], handler, options)
  }

  use(middleware: Middleware): this {
    checkMiddleware(middleware)
    this.#middleware = [...this.#middleware, middleware]
    return this
  }

  #register(verb: 'on' | 'handle', contracts: readonly Contract[], handler: (...args: never[]) => unknown, options: AnyHandlerOptions): HandlerHandle {
    for (const contract of contracts) this.#routes.of(contract)
    return this.#handlers.add(
      register(verb, contracts, handler as AnyHandler, options, { service: this.service, instanceId: this.instanceId, retry: this.#parts.retry }),
    )
  }

  #bind(registration: Registration, channel: string, group: string, retry: RetryPolicy, route: Route, holdsNewer: boolean): ContractBinding {
    const { log, clock } = this.#parts
    return new ContractBinding(registration, channel, {
      scope: {
        channel,
        group,
        publisher: this.#publisher,
        log,
        request: (contract, data, options, cause) => this.#requests.request(contract, data, options, cause),
      },
      codecs: this.#codecs,
      messageBytesMax: route.messageBytesMax,
      retry,
      middleware: () => this.#middleware,
      faults: this.#faults,
      holdsNewer,
      replier: new Replier({
        source: this.service,
        codecs: this.#codecs,
        nowMs: () => clock.nowMs(),
        newId: () => newId(clock.nowMs()),
        send: (message) => route.sender.sendOne(message, publishTimeoutMs, undefined),
        sizeOf,
        late: () => {
          this.#lateReplies++
        },
      }),
      filterFailed: (error) => log.error('a filter threw; the message is handled', { channel, group, error: toError(error) }),
    })
  }

  // ---------------------------------------------------------------- life

  start(): Promise<void> {
    if (this.#stopping !== undefined) return Promise.reject(new SluiceError('BUS_STOPPED', 'the bus was stopped', { fix: 'Connect again' }))
    this.#starting ??= this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    try {
      await this.#handlers.start()
    } catch (error) {
      // What hindered it may be mended: start may be called again.
      this.#starting = undefined
      throw error
    }
    this.#scheduler.start()
    this.#hold ??= this.#parts.clock.holdOpen?.()
    for (const route of this.#handlers.explain()) announceRoute(this.#parts.log, route)
  }

  stop(options: { readonly deadlineMs?: number } = {}): Promise<StopReport> {
    try {
      checkOptionNames('stop', options, optionNames.stop)
    } catch (error) {
      return Promise.reject(error)
    }
    const { deadlineMs = stopDeadlineMs } = options
    if (!(deadlineMs >= 0)) {
      const fix = 'Leave it out (30,000), or give 0 or more'
      return Promise.reject(new SluiceError('INVALID_OPTION', 'deadlineMs is not a number of milliseconds', { fix, details: { option: 'deadlineMs' } }))
    }
    this.#stopping ??= this.#stop(deadlineMs)
    return this.#stopping
  }

  async #stop(deadlineMs: number): Promise<StopReport> {
    const { clock, log } = this.#parts
    const endMs = clock.monotonicMs() + deadlineMs
    await this.#starting?.catch(() => {})
    await this.#scheduler.stop()
    // Handlers may publish and wait for replies until they are done; only then is the door shut.
    const report = await this.#handlers.stop(deadlineMs)
    this.#routes.refuse()
    await this.#requests.stop()
    await this.#routes.close(Math.max(0, endMs - clock.monotonicMs()))
    this.#hold?.cancel()
    this.#faults.flush()
    log.info('stopped', { service: this.service, ...report })
    return report
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  /** Replies that came when nobody waited any more, and replies whose requester was gone. */
  get lateReplies(): number {
    return this.#lateReplies
  }

  explain(): Explanation {
    const consumed = this.#handlers.explain()
    const channels = new Set(consumed.map((route) => route.channel))
    const sent: RouteExplanation[] = []
    for (const channel of this.#routes.registry.channels()) {
      if (channels.has(channel.name)) continue
      const { facts } = this.#routes.ofChannel(channel.name).transport
      const keyed = channel.contracts.some((contract) => contract.key !== undefined)
      sent.push({
        transport: facts.name,
        channel: channel.name,
        group: undefined,
        types: channel.contracts.map((contract) => contract.name),
        promises: compileSending(facts, keyed),
      })
    }
    return explanationOf(this.service, Object.fromEntries(this.#routes.all().map((route) => [route.url, route.transport.facts])), [...consumed, ...sent])
  }

  // ---------------------------------------------------------------- schedules and administration

  async schedule<C extends CommandContract>(
    name: string,
    cron: string,
    command: C,
    data: NoInfer<ContractInput<C>>,
    options: ScheduleOptions = {},
  ): Promise<ScheduleHandle> {
    checkOptionNames('schedule', options, optionNames.schedule)
    const { timeZone = 'UTC', ...rest } = options
    if (typeof name !== 'string' || name === '' || name.length > 255)
      throw new SluiceError('INVALID_OPTION', 'the name of a schedule is not a text of 1 to 255 characters', { fix: "Name it, e.g. 'nightly-report'" })
    const { route } = this.#routes.of(command)
    await route.transport.declare(this.#routes.topologyOf(command.channel))
    route.sender.declared(command.channel)
    // The id is made from name and time, so that a firing whose confirm was lost is no second command.
    const made = (atMs: number): OutgoingMessage | Promise<OutgoingMessage> =>
      makeOutgoing(
        this.#maker,
        command,
        data,
        { ...rest, id: `schedule:${name}:${atMs}`.slice(0, 255) },
        undefined,
        route.transport.facts,
        route.messageBytesMax,
      )
    if (made(0) instanceof Promise)
      throw new SluiceError('UNSUPPORTED', `the schema of ${command.name} is asynchronous, which a schedule cannot wait for`, {
        fix: 'Use a synchronous schema',
      })
    return this.#scheduler.add(name, cron, timeZone, route.transport, (atMs) => made(atMs) as OutgoingMessage)
  }

  get groups(): Groups {
    return this.#administration.groups
  }

  async cancel(contract: Contract, id: string): Promise<boolean> {
    return this.#administration.cancel(contract, id)
  }

  deadLetters(contract: Contract, options?: GroupOption): DeadLetters {
    return this.#administration.deadLetters(contract, options)
  }

  async replay(contract: EventContract, options?: ReplayOptions): Promise<number> {
    return this.#administration.replay(contract, options)
  }

  async inspect(): Promise<readonly GroupRow[]> {
    return this.#administration.inspect()
  }

  async pause(contract: Contract, options?: GroupOption): Promise<void> {
    return this.#administration.setPaused(contract, options, true)
  }

  async resume(contract: Contract, options?: GroupOption): Promise<void> {
    return this.#administration.setPaused(contract, options, false)
  }
}

/** @throws SluiceError INVALID_OPTION for a retry policy that cannot work. */
export function checkRetryDefaults(retry: Partial<RetryPolicy> | undefined): void {
  if (retry === undefined) return
  checkOptionNames('retry', retry, optionNames.retry)
  retryPolicy(retry)
}

function isContractList(events: EventContract | readonly EventContract[]): events is readonly EventContract[] {
  return Array.isArray(events)
}

/** What a route promises, as it is printed at start: what is kept by name, what is not in words. */
function announceRoute(log: Log, route: RouteExplanation): void {
  const kept = route.promises.filter((promise) => promise.level === 'kept').map((promise) => promise.subject)
  const rest = route.promises.filter((promise) => promise.level !== 'kept').map((promise) => `${promise.subject} (${promise.level}): ${promise.text}`)
  log.info(`consuming ${route.channel} for group ${route.group}`, {
    transport: route.transport,
    types: route.types,
    kept,
    ...(rest.length > 0 ? { butNot: rest } : {}),
  })
}

function announceCreated(contract: Contract, message: OutgoingMessage): void {
  if (createEvents.hasSubscribers) createEvents.publish({ channel: contract.channel, envelope: message.envelope })
}
