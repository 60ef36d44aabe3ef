/** The six processes: starts, stops, kills and restarts them, and adds up what they report over all their lives. */
import { type ChildProcess, fork } from 'node:child_process'
import { env as environment } from 'node:process'
import type { ProviderLatencies } from '../providers/provider.ts'
import type { Instruction, Mode, ProcessSettings, Report, ServiceFigures } from '../services/process/control.ts'
import { type ServiceName, serviceNames } from '../services/topology.ts'

/** `restarting`: it died and is coming back. `stopped`: a person stopped it. */
export type ServiceState = 'starting' | 'running' | 'stopping' | 'stopped' | 'restarting'

/** What one process did while it was told to stop. */
export interface Drained {
  readonly service: ServiceName
  readonly finished: number
  readonly released: number
  /** Messages that wait in its file for its next start. */
  readonly toSend: number
}

/** Settings common to all processes of a run. */
export type RunSettings = Pick<ProcessSettings, 'folder' | 'token'> & { readonly busUrl: string; readonly latencies: ProviderLatencies; readonly mode: Mode }

interface Child {
  state: ServiceState
  process: ChildProcess | undefined
  port: number | undefined
  /** Of the process that lives. */
  figures: ServiceFigures
  /** Of those that are gone. */
  before: { handled: Record<string, number>; sent: Record<string, number> }
  deaths: number
  startedAtMs: number
  waiters: (() => void)[]
}

const processFile = new URL('../services/process/process.ts', import.meta.url)
const noFigures: ServiceFigures = { handled: {}, sent: {}, toSend: 0, redelivered: 0, own: {} }
const restartDelayMs = 100
const readyTimeoutMs = 90_000
// A process that dies again so soon after its start has a fault of its own; each time it waits longer.
const quickDeathMs = 2_000
const restartDelayMsMax = 3_000

/** See the head of this file. */
export class Children {
  readonly #settings: RunSettings
  readonly #complain: (service: ServiceName, text: string) => void
  readonly #children: Map<ServiceName, Child> = new Map()
  readonly #drained: Drained[] = []
  #mode: Mode
  #latencies: ProviderLatencies
  #closing = false

  constructor(settings: RunSettings, complain: (service: ServiceName, text: string) => void) {
    this.#settings = settings
    this.#complain = complain
    this.#mode = settings.mode
    this.#latencies = settings.latencies
    for (const service of serviceNames) {
      this.#children.set(service, {
        state: 'stopped',
        process: undefined,
        port: undefined,
        figures: noFigures,
        before: { handled: {}, sent: {} },
        deaths: 0,
        startedAtMs: 0,
        waiters: [],
      })
    }
  }

  /** Starts all; resolves when all are ready. */
  async startAll(): Promise<void> {
    await Promise.all(serviceNames.map((service) => this.start(service)))
  }

  /** Starts one; resolves when it is ready, at once if it runs. */
  async start(service: ServiceName): Promise<void> {
    const child = this.#child(service)
    if (child.state === 'running') return
    if (child.state === 'stopping') await this.#until(child, () => child.state === 'stopped')
    if (child.state === 'stopped') this.#fork(service, 'starting')
    await this.#until(child, () => child.state === 'running')
  }

  /** Stops one the friendly way: it finishes what it began and gives back the rest. */
  async stop(service: ServiceName, deadlineMs: number = 10_000): Promise<void> {
    const child = this.#child(service)
    if (child.process === undefined) {
      child.state = 'stopped'
      return
    }
    child.state = 'stopping'
    child.port = undefined
    this.#announcePeers()
    this.#tell(service, { kind: 'stop', deadlineMs })
    const victim = child.process
    const timer = setTimeout(() => victim.kill('SIGKILL'), deadlineMs + 5_000)
    await this.#until(child, () => child.state === 'stopped')
    clearTimeout(timer)
  }

  /** Stops all, the order service first so that nothing new begins. Resolves to what each did meanwhile. */
  async stopAll(deadlineMs: number): Promise<readonly Drained[]> {
    this.#closing = true
    this.#drained.length = 0
    await this.stop('order', deadlineMs)
    await Promise.all(serviceNames.slice(1).map((service) => this.stop(service, deadlineMs)))
    return this.#drained
  }

  /** `kill -9`. The process is started again. Returns false when there is none to kill. */
  kill(service: ServiceName): boolean {
    const child = this.#child(service)
    return child.state === 'running' && child.process?.kill('SIGKILL') === true
  }

  /** Switches all processes, those to come too. */
  setMode(mode: Mode): void {
    this.#mode = mode
    this.#tellAll({ kind: 'mode', mode })
  }

  /** Sets the providers' latencies in all processes, those to come too. */
  setLatencies(latencies: ProviderLatencies): void {
    this.#latencies = latencies
    this.#tellAll({ kind: 'latencies', latencies })
  }

  /** Port of the order API, while it runs. */
  get orderPort(): number | undefined {
    return this.#child('order').port
  }

  state(service: ServiceName): ServiceState {
    return this.#child(service).state
  }

  pid(service: ServiceName): number | undefined {
    return this.#child(service).process?.pid
  }

  /** Deaths that nobody ordered, and those of `kill`. */
  deaths(service: ServiceName): number {
    return this.#child(service).deaths
  }

  /** Counters over all lives of the service; gauges of the present one. */
  figures(service: ServiceName): ServiceFigures {
    const { figures, before } = this.#child(service)
    return { ...figures, handled: sum(before.handled, figures.handled), sent: sum(before.sent, figures.sent) }
  }

  #child(service: ServiceName): Child {
    return this.#children.get(service) as Child
  }

  #fork(service: ServiceName, state: ServiceState): void {
    const child = this.#child(service)
    const { folder, token, busUrl } = this.#settings
    const settings: ProcessSettings = { service, folder, token, mode: this.#mode, latencies: this.#latencies, port: 0 }
    const process = fork(processFile, [JSON.stringify(settings)], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: { ...environment, SLUICE_URL: busUrl },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    child.process = process
    child.startedAtMs = Date.now()
    this.#change(child, state)
    process.on('message', (report: Report) => this.#hear(service, report))
    process.on('error', (error) => this.#complain(service, error.message))
    // Reports may still arrive after the exit; the process is gone when its channel is closed, too.
    const closed = new Promise<void>((resolve) => process.once('disconnect', resolve))
    process.once('exit', (code, signal) => void closed.then(() => this.#gone(service, code, signal)))
  }

  #hear(service: ServiceName, report: Report): void {
    const child = this.#child(service)
    if (report.kind === 'figures') child.figures = report
    else if (report.kind === 'complaint') this.#complain(service, report.text)
    else if (report.kind === 'stopped') this.#drained.push({ service, ...report })
    else {
      child.port = report.port
      this.#change(child, 'running')
      this.#announcePeers()
    }
  }

  #gone(service: ServiceName, code: number | null, signal: NodeJS.Signals | null): void {
    const child = this.#child(service)
    const wanted = child.state === 'stopping'
    child.process = undefined
    child.port = undefined
    child.before = { handled: sum(child.before.handled, child.figures.handled), sent: sum(child.before.sent, child.figures.sent) }
    // The gauges of the dead stay until its successor reports: what waits in its file still waits.
    child.figures = { ...child.figures, handled: {}, sent: {} }
    this.#announcePeers()
    if (wanted || this.#closing) {
      this.#change(child, 'stopped')
      return
    }
    child.deaths++
    if (signal !== 'SIGKILL') this.#complain(service, `ended unexpectedly (${signal ?? `exit ${code}`}) and is started again`)
    this.#change(child, 'restarting')
    const quick = Date.now() - child.startedAtMs < quickDeathMs && signal !== 'SIGKILL'
    const delayMs = quick ? Math.min(restartDelayMsMax, restartDelayMs * 2 ** Math.min(child.deaths, 6)) : restartDelayMs
    setTimeout(() => {
      if (child.state === 'restarting') this.#fork(service, 'restarting')
    }, delayMs)
  }

  #change(child: Child, state: ServiceState): void {
    child.state = state
    for (const waiter of child.waiters.splice(0)) waiter()
  }

  async #until(child: Child, reached: () => boolean): Promise<void> {
    const deadline = Date.now() + readyTimeoutMs
    while (!reached()) {
      const leftMs = deadline - Date.now()
      if (leftMs <= 0) throw new Error(`a service is still ${child.state} after ${readyTimeoutMs / 1000} s; its complaints stand above`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        child.waiters.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  #announcePeers(): void {
    const ports: Partial<Record<ServiceName, number>> = {}
    for (const [service, child] of this.#children) if (child.port !== undefined) ports[service] = child.port
    this.#tellAll({ kind: 'peers', ports })
  }

  #tellAll(instruction: Instruction): void {
    for (const service of serviceNames) this.#tell(service, instruction)
  }

  #tell(service: ServiceName, instruction: Instruction): void {
    const process = this.#child(service).process
    // A process may die between the check and the write; its exit is handled where exits are.
    if (process?.connected === true) process.send(instruction, () => {})
  }
}

function sum(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const both: Record<string, number> = { ...a }
  for (const [name, count] of Object.entries(b)) both[name] = (both[name] ?? 0) + count
  return both
}
