/**
 * A run of the shop: a folder, a bus, six processes, and customers. The page and the modes of main.ts are built on it.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Bus, connect, type GroupRow, SluiceError } from 'sluice'
import { expectedBooks } from '../books/expected.ts'
import { type Reconciliation, reconcile } from '../books/reconcile.ts'
import { type ProviderLatencies, standardLatencies } from '../providers/provider.ts'
import type { Invoice } from '../rules/invoice.ts'
import type { Mode } from '../services/process/control.ts'
import { type ServiceName, serviceNames } from '../services/topology.ts'
import { Children, type Drained } from './children.ts'
import { OrderClient } from './order-client.ts'
import { ResponseTimes } from './response-times.ts'

/** What a run is made with. */
export interface ShopOptions {
  /** Default: a file in the run's own folder. */
  readonly busUrl?: string
  /** Where the run's folder is made. Default `.sluice` in the current directory. */
  readonly root?: string
  /** Default {@link standardLatencies}. */
  readonly latencies?: ProviderLatencies
  /** Default asynchronous. */
  readonly mode?: Mode
  /** Posts at once. Default 32. */
  readonly concurrency?: number
  /** Hears what goes wrong without stopping the run. */
  complain(service: ServiceName | 'supervisor', text: string): void
}

/** How far the shop is from idle. */
export interface Unfinished {
  readonly openOrders: number
  readonly toSend: number
  readonly backlog: number
  readonly customers: number
}

/** See the head of this file. */
export class Shop {
  readonly folder: string
  readonly children: Children
  readonly responseTimes: ResponseTimes = new ResponseTimes()
  readonly client: OrderClient
  /** Every invoice that was posted, for the books. */
  readonly posted: Iterable<Invoice>[] = []
  mode: Mode
  readonly #bus: Bus
  readonly #abort: AbortController = new AbortController()
  readonly #complain: ShopOptions['complain']
  #closed = false

  private constructor(folder: string, bus: Bus, children: Children, options: ShopOptions) {
    this.folder = folder
    this.children = children
    this.mode = options.mode ?? 'asynchronous'
    this.#bus = bus
    this.#complain = options.complain
    this.client = new OrderClient({
      port: () => children.orderPort,
      responseTimes: this.responseTimes,
      concurrency: options.concurrency ?? 32,
      signal: this.#abort.signal,
    })
  }

  /** Makes the folder, opens the bus and starts the six processes; resolves when all are ready. */
  static async open(options: ShopOptions): Promise<Shop> {
    const folder = join(resolve(options.root ?? '.sluice'), `shop-${process.pid}-${randomBytes(3).toString('hex')}`)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const busUrl = options.busUrl ?? `file:${join(folder, 'bus.db')}`
    const bus = await openBus(busUrl).catch(async (error: unknown) => {
      await rm(folder, { recursive: true, force: true })
      throw error
    })
    const settings = {
      folder,
      busUrl,
      token: randomBytes(16).toString('hex'),
      latencies: options.latencies ?? standardLatencies,
      mode: options.mode ?? 'asynchronous',
    }
    const children = new Children(settings, options.complain)
    const shop = new Shop(folder, bus, children, options)
    try {
      await children.startAll()
    } catch (error) {
      await shop.close(1_000)
      throw error
    }
    return shop
  }

  setMode(mode: Mode): void {
    this.mode = mode
    this.children.setMode(mode)
  }

  /** The bus's groups as they are now. */
  groups(): Promise<readonly GroupRow[]> {
    return this.#bus.inspect()
  }

  /** What is still to be done. */
  async unfinished(): Promise<Unfinished> {
    const groups = await this.groups()
    for (const { channel, group, backlog } of groups)
      if (backlog < 0) this.#complain('supervisor', `the bus counts a backlog of ${backlog} in ${channel} → ${group}`)
    const figures = serviceNames.map((service) => this.children.figures(service))
    return {
      openOrders: figures.reduce((sum, each) => sum + (each.own.open ?? 0), 0),
      toSend: figures.reduce((sum, each) => sum + each.toSend, 0),
      backlog: groups.reduce((sum, group) => sum + group.backlog, 0),
      customers: this.client.waiting,
    }
  }

  /** Resolves true when everything posted is worked off, false when `deadlineMs` passes first. `progress` hears the way there. */
  async drained(deadlineMs: number, progress: (unfinished: Unfinished) => void = () => {}): Promise<boolean> {
    const deadline = Date.now() + deadlineMs
    let quiet = 0
    // Reports of the processes are up to 250 ms old: idle means idle over three looks.
    while (quiet < 3) {
      if (Date.now() > deadline) return false
      await sleep(200)
      const unfinished = await this.unfinished()
      progress(unfinished)
      const busy = Object.values(unfinished).some((count) => count !== 0)
      const allUp = serviceNames.every((service) => ['running', 'stopped'].includes(this.children.state(service)))
      quiet = busy || !allUp ? 0 : quiet + 1
    }
    return true
  }

  /** Tells every instance a new price list. Resolves to its version; rejects with what a person should know. */
  async changePriceList(surchargePercent: number): Promise<{ readonly version: number }> {
    const port = this.children.orderPort
    if (port === undefined) throw new Error('the order service is away, and it publishes the price list')
    const response = await fetch(`http://127.0.0.1:${port}/price-list`, { method: 'POST', body: JSON.stringify({ surchargePercent }) })
    const body = (await response.json()) as { readonly version: number; readonly error?: string }
    if (response.status !== 202) throw new Error(body.error ?? `the order API answered ${response.status}`)
    return body
  }

  /** Asks for a price over the bus, through the order API. */
  async quote(sku: string): Promise<{ readonly status: number; readonly body: unknown }> {
    const response = await fetch(`http://127.0.0.1:${this.children.orderPort}/quote?sku=${encodeURIComponent(sku)}`)
    return { status: response.status, body: await response.json() }
  }

  /** Sends the customers home: nothing more is posted. */
  closeDoor(): void {
    this.#abort.abort()
  }

  /** Stops the processes and the bus; resolves to what they drained. */
  async close(deadlineMs: number): Promise<readonly Drained[]> {
    if (this.#closed) return []
    this.#closed = true
    this.closeDoor()
    await this.client.settled()
    this.client.close()
    const drained = await this.children.stopAll(deadlineMs)
    await this.#bus.stop({ deadlineMs: 1_000 })
    return drained
  }

  /** Compares the books with everything that was posted; after {@link Shop.close}. */
  reconcile(): Reconciliation {
    const posted = this.posted
    return reconcile(
      this.folder,
      expectedBooks(
        (function* () {
          for (const invoices of posted) yield* invoices
        })(),
      ),
    )
  }

  /** Removes the run's folder. */
  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true })
  }
}

// Messages of an earlier run speak of orders that are in no book of this one.
async function openBus(url: string): Promise<Bus> {
  const bus = await connect({ service: 'supervisor', url, logger: false })
  const left = (await bus.inspect()).filter(({ channel, backlog, deadLetters }) => channel.startsWith('shop.') && backlog + deadLetters > 0)
  if (left.length === 0) return bus
  await bus.stop()
  const rows = left.map(({ channel, group, backlog, deadLetters }) => `${channel} → ${group}: ${backlog} waiting, ${deadLetters} dead`)
  throw new SluiceError('INVALID_OPTION', `the bus holds messages of an earlier run (${rows.join('; ')})`, {
    fix: 'Take a place that nothing else uses: another file, or another ?prefix= in the URL',
  })
}
