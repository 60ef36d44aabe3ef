/** `npm start`: the page, and the orders of the year played at a visible pace until Ctrl-C. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Options } from '../options.ts'
import { invoicesTotal, readInvoices, replicate } from '../rules/input.ts'
import type { Invoice } from '../rules/invoice.ts'
import { Shop } from '../supervisor/shop.ts'
import type { Terminal } from '../supervisor/terminal.ts'
import { Observer } from './observer.ts'
import { type PageServer, servePage } from './server.ts'
import type { Action } from './state.ts'

const drainDeadlineMs = 30_000
const doorDeadlineMs = 10_000
/** Orders of one burst. */
export const burstOrders = 100_000

/** What is being played, and what the buttons change. */
class Player {
  readonly #shop: Shop
  readonly #invoices: readonly Invoice[]
  readonly #pace: number
  readonly #terminal: Terminal
  readonly #played: Invoice[] = []
  readonly #running: Set<Promise<void>> = new Set()
  #paused = false
  #bursts = 0
  #burst: { sent: number; total: number } | undefined
  #priceListVersion = 0

  constructor(shop: Shop, invoices: readonly Invoice[], pace: number, terminal: Terminal) {
    this.#shop = shop
    this.#invoices = invoices
    this.#pace = pace
    this.#terminal = terminal
    shop.posted.push(this.#played)
  }

  get playing(): ConstructorParameters<typeof Observer>[1] {
    return () => ({
      feed: { posted: this.#played.length, total: this.#invoices.length, paused: this.#paused },
      burst: this.#burst,
      priceListVersion: this.#priceListVersion,
    })
  }

  /** Posts at the pace until all is played or `signal` aborts. */
  async play(signal: AbortSignal): Promise<void> {
    let dueMs = performance.now()
    for (const invoice of this.#invoices) {
      dueMs = Math.max(dueMs + 1000 / this.#pace, performance.now() - 1000)
      const waitMs = dueMs - performance.now()
      if (waitMs > 1) await sleep(waitMs, undefined, { signal }).catch(() => {})
      while (this.#paused && !signal.aborted) await sleep(100)
      if (signal.aborted) return
      await this.#shop.client.post(invoice, this.#played)
      this.#terminal.progress(this.#terminal.text('postedProgress'), this.#played.length, this.#invoices.length)
    }
    this.#terminal.say('replayed', { orders: this.#invoices.length })
  }

  /** Carries a button's wish out. Rejects with a reason that the page shows. */
  async act(action: Action): Promise<void> {
    switch (action.action) {
      case 'stop':
        return this.#shop.children.stop(action.service)
      case 'start':
        return this.#shop.children.start(action.service)
      case 'mode':
        return this.#shop.setMode(action.mode)
      case 'pause':
      case 'resume':
        this.#paused = action.action === 'pause'
        return
      case 'price-list': {
        const { version } = await this.#shop.changePriceList(((this.#priceListVersion * 5) % 40) - 10)
        this.#priceListVersion = version
        return
      }
      case 'burst':
        this.#startBurst()
    }
  }

  /** Waits for bursts under way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#running)
  }

  #startBurst(): void {
    if (this.#burst !== undefined) throw new Error('a burst is under way')
    const number = ++this.#bursts
    const burst = { sent: 0, total: burstOrders }
    this.#burst = burst
    const sentOf = (): Iterable<Invoice> => replicate(this.#invoices, burst.sent, number)
    this.#shop.posted.push({ [Symbol.iterator]: () => sentOf()[Symbol.iterator]() })
    const done = this.#shop.client
      .postMany(replicate(this.#invoices, burstOrders, number), (count) => {
        burst.sent = count
      })
      .catch((error: unknown) => this.#terminal.complain('customers', error instanceof Error ? error.message : String(error)))
      .finally(() => {
        this.#burst = undefined
        this.#running.delete(done)
      })
    this.#running.add(done)
  }
}

/** Runs until `signal` aborts; resolves to the exit code: 0 when all books that could be audited balance. */
export async function runPage(options: Options, terminal: Terminal, signal: AbortSignal): Promise<number> {
  const invoices = await readInvoices(options.orders ?? invoicesTotal)
  const shop = await Shop.open({
    ...(options.busUrl === undefined ? {} : { busUrl: options.busUrl }),
    complain: (service, text) => terminal.complain(service, text),
  })
  let page: PageServer | undefined
  try {
    const player = new Player(shop, invoices, options.pace, terminal)
    page = await servePage({
      observer: new Observer(shop, player.playing),
      act: (action) => player.act(action),
      language: options.language,
      port: options.port,
    })
    terminal.say('pageReady', { url: page.url })
    const playing = player.play(signal)
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    terminal.say('draining', { seconds: drainDeadlineMs / 1000 })
    await shop.client.finish(doorDeadlineMs)
    shop.closeDoor()
    await playing
    await player.settled()
    return await drainAndAudit(shop, options.keep, terminal)
  } finally {
    await page?.close()
    await shop.close(1_000)
  }
}

async function drainAndAudit(shop: Shop, keep: boolean, terminal: Terminal): Promise<number> {
  const { client } = shop
  const worked = await shop.drained(drainDeadlineMs, (left) =>
    terminal.progress(terminal.text('workedProgress'), client.accepted - Math.min(client.accepted, left.openOrders), client.accepted),
  )
  const left = await shop.unfinished()
  for (const { service, finished, released, toSend } of await shop.close(10_000)) terminal.say('drainedService', { service, finished, released, toSend })
  terminal.say('drainedAll', { orders: client.accepted, open: left.openOrders, backlog: left.backlog })
  if (!worked) {
    terminal.say('notAudited')
    terminal.say('kept', { folder: shop.folder })
    return 0
  }
  const { balanced, books, differences } = shop.reconcile()
  if (balanced) {
    const money = `£${(books.moneyPence.actual / 100).toLocaleString('en')}`
    terminal.say('balanced', { orders: client.accepted, money, parcels: books.parcels.actual, mails: books.mails.actual, points: books.points.actual })
  } else {
    terminal.say('notBalanced')
    for (const difference of differences) terminal.note(`  ! ${difference}`)
  }
  if (balanced && !keep) await shop.remove()
  else terminal.say('kept', { folder: shop.folder })
  return balanced ? 0 : 1
}
