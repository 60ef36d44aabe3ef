/**
 * One service as one operating-system process: `node process.ts '<settings as JSON>'`. Started by the supervisor over
 * an IPC channel; when that channel closes (the supervisor died) it drains and ends, so no orphan is left.
 */
import { type Bus, connect } from 'sluice'
import { BusinessFile } from '../../books/business-file.ts'
import { Relay } from '../../books/relay.ts'
import { runChain } from '../../chain/chain.ts'
import { type Route, serve } from '../../chain/server.ts'
import { PriceListChanged } from '../../contracts/index.ts'
import { type ProviderLatencies, simulatedProviders } from '../../providers/provider.ts'
import { services } from '../index.ts'
import { orderApi } from '../order/api.ts'
import type { Emitted, Host } from '../reaction.ts'
import type { Service } from '../service.ts'
import { flowOf, type ServiceName } from '../topology.ts'
import type { Instruction, Mode, ProcessSettings, Report } from './control.ts'

const reportEveryMs = 250

function tell(report: Report): void {
  if (process.connected) process.send?.(report)
}

function complain(error: unknown): void {
  tell({ kind: 'complaint', text: error instanceof Error ? (error.stack ?? error.message) : String(error) })
}

class ServiceProcess {
  readonly #settings: ProcessSettings
  readonly #handled: Record<string, number> = {}
  readonly #sent: Record<string, number> = {}
  #mode: Mode
  #peers: Partial<Record<ServiceName, number>> = {}
  #latencies: { payment: number; courier: number; sms: number }
  #stopping = false
  #priceList = 0

  constructor(settings: ProcessSettings) {
    this.#settings = settings
    this.#mode = settings.mode
    this.#latencies = { ...settings.latencies }
  }

  async run(): Promise<void> {
    const { service: name, folder, token } = this.#settings
    const definition = services[name]
    const file = new BusinessFile(`${folder}/${name}.db`, definition.schema)
    const providers = simulatedProviders(folder, this.#latencies)
    const service = definition.create(file, providers)
    const bus = await connect({ service: name, logger: false })
    const relay = new Relay(
      bus,
      file,
      (contract) => flowOf(contract).contract,
      (contract, count) => add(this.#sent, contract, count),
      complain,
    )
    const host: Host = { file, wakeRelay: () => relay.wake(), handled: (contract, count) => add(this.#handled, contract, count) }
    const handles = service.reactions.map((reaction) => reaction.register(bus, host))
    service.register?.(bus, host)
    this.#hearPriceLists(bus, file)
    await bus.start()
    const { server, port } = await serve(service.reactions, host, token, this.#route(service, host, bus), this.#settings.port)
    const timer = setInterval(() => tell({ kind: 'figures', ...this.#figures(service, file) }), reportEveryMs)
    const stop = async (deadlineMs: number): Promise<void> => {
      if (this.#stopping) return
      this.#stopping = true
      const before = total(this.#handled)
      server.close()
      server.closeIdleConnections()
      // Handlers end first, then what they asked for is sent, then the bus closes. What is not sent by then waits in
      // the file for the next process.
      await Promise.all(handles.map((handle) => handle.stop({ deadlineMs }))).catch(complain)
      await relay.stop(deadlineMs).catch(complain)
      const released = await bus.stop({ deadlineMs }).then((report) => report.released, complain)
      clearInterval(timer)
      tell({ kind: 'figures', ...this.#figures(service, file) })
      tell({ kind: 'stopped', finished: total(this.#handled) - before, released: released ?? 0, toSend: file.toSendCount })
      providers[Symbol.dispose]()
      file.close()
      server.closeAllConnections()
      process.disconnect?.()
    }
    process.on('message', (instruction: Instruction) => this.#obey(instruction, stop))
    process.on('disconnect', () => void stop(2_000).finally(() => process.exit(0)))
    relay.wake()
    tell({ kind: 'ready', port, instanceId: bus.instanceId })
  }

  #obey(instruction: Instruction, stop: (deadlineMs: number) => Promise<void>): void {
    if (instruction.kind === 'peers') this.#peers = instruction.ports
    else if (instruction.kind === 'mode') this.#mode = instruction.mode
    else if (instruction.kind === 'latencies') Object.assign(this.#latencies, instruction.latencies satisfies ProviderLatencies)
    else void stop(instruction.deadlineMs)
  }

  #hearPriceLists(bus: Bus, file: BusinessFile): void {
    this.#priceList = Number(file.get('SELECT max(version) AS n FROM price_list_heard')?.n ?? 0)
    const hear = ({ version, surchargePercent }: { version: number; surchargePercent: number }): void => {
      file.run('INSERT INTO price_list_heard (instance, version, surcharge_percent) VALUES (?, ?, ?)', bus.instanceId, version, surchargePercent)
      this.#priceList = version
    }
    bus.on(PriceListChanged, hear, { broadcast: true })
  }

  #route(service: Service, host: Host, bus: Bus): Route {
    if (service.name !== 'order') return () => Promise.resolve(false)
    const reactions = new Map(service.reactions.map((reaction) => [reaction.contract.name, reaction]))
    const takeHere = (message: Emitted): Promise<readonly Emitted[]> => {
      const reaction = reactions.get(message.contract)
      if (reaction === undefined) throw new Error(`the order service does not handle ${message.contract}`)
      return reaction.chain(host, message.id, message.data)
    }
    return orderApi({
      file: host.file,
      host,
      bus,
      mode: () => this.#mode,
      runChain: (first) => runChain(first, takeHere, (peer) => this.#peers[peer], this.#settings.token),
    })
  }

  #figures(service: Service, file: BusinessFile): Omit<Extract<Report, { kind: 'figures' }>, 'kind'> {
    const redelivered = Number(file.get('SELECT coalesce(sum(times), 0) AS n FROM redelivered')?.n)
    return { handled: this.#handled, sent: this.#sent, toSend: file.toSendCount, redelivered, own: { ...service.figures(), priceList: this.#priceList } }
  }
}

function add(counters: Record<string, number>, name: string, count: number): void {
  counters[name] = (counters[name] ?? 0) + count
}

function total(counters: Readonly<Record<string, number>>): number {
  return Object.values(counters).reduce((sum, count) => sum + count, 0)
}

// Ctrl-C reaches the whole process group; the supervisor decides what happens then.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
const settings = JSON.parse(process.argv[2] ?? '{}') as ProcessSettings
new ServiceProcess(settings).run().catch((error: unknown) => {
  complain(error)
  console.error(`${settings.service}: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
  process.disconnect?.()
})
