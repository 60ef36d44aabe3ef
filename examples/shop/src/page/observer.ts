/** Looks at the running shop twice a second and turns counters into rates. */
import type { GroupRow } from 'sluice'
import { standardLatencies } from '../providers/provider.ts'
import { flows, type ServiceName, serviceNames } from '../services/topology.ts'
import type { Shop } from '../supervisor/shop.ts'
import type { EdgeView, GroupView, HistoryPoint, PageState, ServiceView } from './state.ts'

/** What the observer cannot see in the shop itself. */
export interface Playing {
  readonly feed: PageState['feed']
  readonly burst: PageState['burst']
  readonly priceListVersion: number
}

const historyMax = 240
// Rates are smoothed over the last looks, so that figures can be read.
const smoothing = 0.4

// A command channel's group has the channel's name; whose it is follows from who takes its contracts.
const ownerOfChannel: ReadonlyMap<string, ServiceName> = new Map([
  ...flows.filter((flow) => flow.contract.kind === 'command').map((flow) => [flow.contract.channel, flow.to[0] as ServiceName] as const),
  ['shop.quote', 'inventory'] as const,
])

/** See the head of this file. */
export class Observer {
  readonly #shop: Shop
  readonly #playing: () => Playing
  readonly #history: HistoryPoint[] = []
  readonly #rates: Map<string, number> = new Map()
  #before: { atMs: number; counts: Map<string, number> } | undefined

  constructor(shop: Shop, playing: () => Playing) {
    this.#shop = shop
    this.#playing = playing
  }

  /** The last two minutes, oldest first. */
  get history(): readonly HistoryPoint[] {
    return this.#history
  }

  /** Looks. */
  async look(): Promise<PageState> {
    const groups = viewGroups(await this.#shop.groups())
    const atMs = Date.now()
    this.#measure(atMs)
    const { children, client, responseTimes } = this.#shop
    const times = responseTimes.takeRecent()
    const handled = (service: ServiceName, contract: string): number => children.figures(service).handled[contract] ?? 0
    const { feed, burst, priceListVersion } = this.#playing()
    const state: PageState = {
      atMs,
      mode: this.#shop.mode,
      latencies: standardLatencies,
      feed,
      burst,
      api: { p50Ms: times.p50Ms, p99Ms: times.p99Ms, perSecond: this.#rate('orders'), failures: times.failures, waiting: client.waiting },
      services: Object.fromEntries(serviceNames.map((service) => [service, this.#service(service)])) as Record<ServiceName, ServiceView>,
      groups,
      edges: this.#edges(groups),
      totals: {
        accepted: client.accepted,
        completed: handled('notification', 'shop.order.completed'),
        cancelled: handled('notification', 'shop.order.cancelled'),
        refunded: handled('notification', 'shop.order.refunded'),
        open: children.figures('order').own.open ?? 0,
        redelivered: serviceNames.reduce((sum, service) => sum + children.figures(service).redelivered, 0),
        deadLetters: groups.reduce((sum, group) => sum + group.deadLetters, 0),
      },
      priceList: {
        version: priceListVersion,
        heard: serviceNames.filter((service) => (children.figures(service).own.priceList ?? 0) >= priceListVersion && children.state(service) === 'running')
          .length,
      },
    }
    const waiting = groups.reduce((sum, group) => sum + group.backlog, 0)
    const messages = serviceNames.reduce((sum, service) => sum + this.#rate(service), 0)
    this.#history.push([atMs / 1000, times.p50Ms ?? null, times.p99Ms ?? null, this.#rate('orders'), messages, waiting])
    if (this.#history.length > historyMax) this.#history.shift()
    return state
  }

  #service(service: ServiceName): ServiceView {
    return { state: this.#shop.children.state(service), handledPerSecond: this.#rate(service), toSend: this.#shop.children.figures(service).toSend }
  }

  #measure(atMs: number): void {
    const counts = new Map<string, number>([['orders', this.#shop.client.accepted]])
    for (const service of serviceNames) {
      let all = 0
      for (const [contract, count] of Object.entries(this.#shop.children.figures(service).handled)) {
        counts.set(`${service} ${contract}`, count)
        all += count
      }
      counts.set(service, all)
    }
    const before = this.#before
    if (before !== undefined && atMs > before.atMs) {
      for (const [name, count] of counts) {
        const now = (Math.max(0, count - (before.counts.get(name) ?? 0)) * 1000) / (atMs - before.atMs)
        const smooth = (this.#rates.get(name) ?? now) * (1 - smoothing) + now * smoothing
        this.#rates.set(name, smooth < 0.05 ? 0 : smooth)
      }
    }
    this.#before = { atMs, counts }
  }

  #rate(name: string): number {
    return Math.round((this.#rates.get(name) ?? 0) * 10) / 10
  }

  #edges(groups: readonly GroupView[]): readonly EdgeView[] {
    const edges = new Map<string, { from: ServiceName; to: ServiceName; perSecond: number; channels: Set<string> }>()
    for (const { contract, from, to } of flows) {
      for (const target of to) {
        // A service's notes to itself travel with what others ask of it.
        const source = from === target ? 'order' : from
        const edge = edges.get(`${source} ${target}`) ?? { from: source, to: target, perSecond: 0, channels: new Set() }
        edges.set(`${source} ${target}`, edge)
        if (from !== target) edge.perSecond += this.#rate(`${target} ${contract.name}`)
        edge.channels.add(contract.channel)
      }
    }
    return Array.from(edges.values(), ({ from, to, perSecond, channels }) => {
      const behind = groups.filter((group) => group.service === to && channels.has(group.channel))
      const backlog = behind.reduce((sum, group) => sum + group.backlog, 0)
      return { from, to, perSecond: Math.round(perSecond * 10) / 10, backlog, oldestAgeMs: Math.max(0, ...behind.map((group) => group.oldestAgeMs)) }
    })
  }
}

function viewGroups(rows: readonly GroupRow[]): readonly GroupView[] {
  const views: GroupView[] = []
  for (const { channel, group, backlog, oldestAgeMs, inFlight, deadLetters, consumers } of rows) {
    // Reply channels and the broadcast's groups come and go with their instance.
    const service = serviceNames.find((name) => name === group) ?? (channel === group ? ownerOfChannel.get(channel) : undefined)
    if (service !== undefined) views.push({ service, channel, group, backlog, oldestAgeMs: Math.round(oldestAgeMs), inFlight, deadLetters, consumers })
  }
  return views.sort((a, b) => serviceNames.indexOf(a.service) - serviceNames.indexOf(b.service) || a.channel.localeCompare(b.channel))
}
