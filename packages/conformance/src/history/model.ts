import type { HistoryEvent, HistoryScope, Violation } from './event.ts'

/** One message as its producer saw it. */
export interface SentMessage {
  readonly id: string
  readonly channel: string
  readonly key: string | undefined
  readonly producer: string | undefined
  readonly seq: number
  readonly sha256: string | undefined
  readonly dueMs: number | undefined
  readonly tx: string | undefined
  readonly invokedAt: number
  outcome: 'ok' | 'fail' | 'info'
}

/** One run of a handler. */
export interface Run {
  readonly at: number
  readonly proc: string
  readonly run: string | undefined
  readonly wallMs: number | undefined
  outcome: 'ok' | 'fail' | 'info' | undefined
  outcomeAt: number
}

/** Everything that happened to one message in one group, as line numbers of the history. */
export interface Fate {
  readonly group: string
  readonly id: string
  readonly runs: Run[]
  readonly accepts: HistoryEvent[]
  readonly deadLetters: HistoryEvent[]
  readonly redrives: number[]
  readonly discards: number[]
  readonly releases: number[]
  readonly parks: HistoryEvent[]
  readonly effects: HistoryEvent[]
  /** Skipped, expired, purged, rejected: ends that need no handler. */
  readonly ends: number[]
}

/** A person asked for messages of a group again: somewhere between two lines, it took effect. */
export interface Replay {
  readonly group: string | undefined
  readonly invokedAt: number
  endedAt: number
}

/** The history, indexed. */
export class HistoryModel {
  readonly events: readonly HistoryEvent[]
  readonly scope: HistoryScope
  readonly messages: Map<string, SentMessage> = new Map()
  readonly fates: Map<string, Fate> = new Map()
  readonly transactions: Map<string, { invokedAt: number; endedAt: number; outcome: 'ok' | 'fail' | 'info' }> = new Map()
  readonly faults: HistoryEvent[] = []
  /** Processes that did not move, from one line to another. */
  readonly standstills: { readonly proc: string; readonly from: number; to: number; readonly sinceNs: number | undefined }[] = []
  readonly replays: Replay[] = []
  readonly leases: HistoryEvent[] = []
  readonly unrouted: Set<string> = new Set()
  /** Lines that asked for a dead letter which was never made. */
  readonly unmadeDeadLetters: Set<number> = new Set()
  readonly malformed: Violation[] = []

  constructor(events: readonly HistoryEvent[], scope: HistoryScope) {
    this.events = events
    this.scope = scope
    for (const [place, event] of events.entries()) {
      if (event.i !== place) this.malformed.push({ invariant: 'form', message: `line ${place} says i = ${event.i}`, at: place })
      this.#read(event)
    }
    for (const message of this.messages.values()) {
      const outcome = message.tx === undefined ? undefined : (this.transactions.get(message.tx)?.outcome ?? 'info')
      if (outcome !== undefined) message.outcome = outcome
    }
  }

  /** What happened to a message in a group; empty if nothing did. */
  fate(group: string, id: string): Fate {
    const name = `${group}\n${id}`
    let fate = this.fates.get(name)
    if (fate === undefined) {
      fate = { group, id, runs: [], accepts: [], deadLetters: [], redrives: [], discards: [], releases: [], parks: [], effects: [], ends: [] }
      this.fates.set(name, fate)
    }
    return fate
  }

  /** Groups that must get the messages of a channel. */
  groupsOf(channel: string): readonly string[] {
    return this.scope.groups[channel] ?? []
  }

  #read(event: HistoryEvent): void {
    switch (event.f) {
      case 'send':
        return this.#readSend(event)
      case 'tx':
        return this.#readTransaction(event)
      case 'fault':
        this.faults.push(event)
        this.#readStandstill(event)
        return
      case 'replay':
        return this.#readReplay(event)
      case 'lease':
        if (event.type === 'ok') this.leases.push(event)
        return
      case 'join':
      case 'leave':
      case 'drained':
        return
      case 'unrouted':
        if (event.id !== undefined) this.unrouted.add(event.id)
        return
      default:
        return this.#readFate(event)
    }
  }

  #readSend(event: HistoryEvent): void {
    if (event.id === undefined) return this.#bad(event, 'a send without an id')
    const known = this.messages.get(event.id)
    if (event.type !== 'invoke') {
      if (known === undefined) this.#bad(event, 'an outcome of a send that never began')
      else if (known.outcome !== 'ok') known.outcome = event.type
      return
    }
    if (known !== undefined) return this.#bad(event, 'a second send under one id')
    this.messages.set(event.id, {
      id: event.id,
      channel: event.channel ?? '',
      key: event.key,
      producer: event.producer,
      seq: event.seq ?? event.i,
      sha256: event.sha256,
      dueMs: event.dueMs,
      tx: event.tx,
      invokedAt: event.i,
      outcome: 'info',
    })
  }

  #readTransaction(event: HistoryEvent): void {
    if (event.tx === undefined) return this.#bad(event, 'a transaction without a name')
    const known = this.transactions.get(event.tx)
    if (event.type === 'invoke') this.transactions.set(event.tx, { invokedAt: event.i, endedAt: Number.POSITIVE_INFINITY, outcome: 'info' })
    else if (known === undefined) this.#bad(event, 'an outcome of a transaction that never began')
    else {
      known.outcome = event.type
      known.endedAt = event.i
    }
  }

  #readStandstill({ fault, victim, sinceNs, i, proc }: HistoryEvent): void {
    if (victim === undefined || (sinceNs === undefined && proc === victim)) return
    if (fault === 'freeze') this.standstills.push({ proc: victim, from: i, to: Number.POSITIVE_INFINITY, sinceNs })
    else if (fault === 'lease-expired') {
      const open = this.standstills.findLast((one) => one.proc === victim && one.sinceNs === sinceNs && one.to === Number.POSITIVE_INFINITY)
      if (open !== undefined) open.to = i
    }
  }

  #readReplay(event: HistoryEvent): void {
    const open = this.replays.findLastIndex(({ group, endedAt }) => group === event.group && endedAt === Number.POSITIVE_INFINITY)
    if (event.type === 'invoke') this.replays.push({ group: event.group, invokedAt: event.i, endedAt: Number.POSITIVE_INFINITY })
    else if (open === -1) this.replays.push({ group: event.group, invokedAt: event.i, endedAt: event.i })
    else if (event.type === 'fail') this.replays.splice(open, 1)
    // Nobody knows whether it happens after all: its end stays open.
    else if (event.type === 'ok') (this.replays[open] as Replay).endedAt = event.i
  }

  #readFate(event: HistoryEvent): void {
    if (event.id === undefined || event.group === undefined) return this.#bad(event, `${event.f} without an id or a group`)
    const fate = this.fate(event.group, event.id)
    if (event.f === 'deliver') return this.#readRun(event, fate)
    if (event.f === 'deadletter' && event.type === 'fail') return this.#unmade(event, fate)
    if (event.type === 'invoke' || event.type === 'fail') return
    switch (event.f) {
      case 'accept':
        fate.accepts.push(event)
        return
      case 'effect':
        fate.effects.push(event)
        return
      case 'deadletter':
        fate.deadLetters.push(event)
        return
      case 'redrive':
        fate.redrives.push(event.i)
        return
      case 'discard':
        fate.discards.push(event.i)
        return
      case 'release':
        fate.releases.push(event.i)
        return
      case 'park':
        fate.parks.push(event)
        return
      case 'suspend':
        return
      default:
        fate.ends.push(event.i)
    }
  }

  /** A dead letter that its process had asked for, and that is proven not to have been made. */
  #unmade(event: HistoryEvent, fate: Fate): void {
    const at = fate.deadLetters.findLastIndex(({ proc, type }) => proc === event.proc && type === 'info')
    if (at === -1) return this.#bad(event, 'a dead letter failed that nobody asked for')
    const [asked] = fate.deadLetters.splice(at, 1)
    if (asked !== undefined) this.unmadeDeadLetters.add(asked.i)
  }

  #readRun(event: HistoryEvent, fate: Fate): void {
    if (event.type === 'invoke') {
      fate.runs.push({ at: event.i, proc: event.proc, run: event.run, wallMs: event.wallMs, outcome: undefined, outcomeAt: Number.POSITIVE_INFINITY })
      return
    }
    const open = fate.runs.findLast((run) => run.proc === event.proc && run.outcome === undefined)
    if (open === undefined) return this.#bad(event, 'a handler ended that never began')
    open.outcome = event.type
    open.outcomeAt = event.i
  }

  #bad(event: HistoryEvent, message: string): void {
    this.malformed.push({ invariant: 'form', message, at: event.i })
  }
}

/** Line at which a message was done for its group (a handler returned, or it ended without one); Infinity if never. */
export function doneAt(fate: Fate): number {
  let first = Number.POSITIVE_INFINITY
  for (const run of fate.runs) if (run.outcome === 'ok') first = Math.min(first, run.outcomeAt)
  for (const end of fate.ends) first = Math.min(first, end)
  return first
}
