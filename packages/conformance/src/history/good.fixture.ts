import type { Random } from '@sluice/core/transport'
import type { HistoryEvent, HistoryScope } from './event.ts'

type Draft = Omit<HistoryEvent, 'i' | 'monoNs'>

/** Scope of the histories that {@link goodHistory} makes. */
export const goodScope: HistoryScope = { groups: { orders: ['stock', 'mail'], nobody: [] }, effects: ['stock'] }

interface Lane {
  readonly waiting: Draft[]
  parkedBehind: string | undefined
}

/**
 * A lawful history, made by playing producers, two groups with two members each, failures, releases, deaths, dead
 * letters that park, redrives, discards, replays' neighbours and rolled-back transactions; another one for each seed.
 */
export function goodHistory(random: Random, messages: number): HistoryEvent[] {
  const events: HistoryEvent[] = []
  const pick = (n: number): number => Math.floor(random() * n)
  const add = (draft: Draft): number => events.push({ ...draft, i: events.length, monoNs: events.length * 1000 }) - 1
  const lanes = new Map<string, Lane>()
  const seqs = [0, 0]
  const attemptsMax = 3
  const handle = (group: string, sent: Draft, lane: Lane): void => {
    const id = sent.id as string
    const about = { group, id, ...(sent.key === undefined ? {} : { key: sent.key }) }
    let attempts = 0
    for (;;) {
      const proc = `${group}-${pick(2)}`
      attempts++
      const wallMs = (sent.dueMs ?? 1_000_000) + pick(50)
      add({ ...about, proc, type: 'invoke', f: 'deliver', attempt: attempts, wallMs, ...(sent.sha256 === undefined ? {} : { sha256: sent.sha256 }) })
      const luck = random()
      if (luck < 0.04) add({ proc: 'judge', type: 'ok', f: 'fault', fault: 'death', victim: proc })
      else if (luck < 0.08) {
        add({ ...about, proc, type: 'info', f: 'deliver' })
        add({ ...about, proc, type: 'ok', f: 'release' })
        attempts--
      } else if (luck < 0.3) {
        add({ ...about, proc, type: 'fail', f: 'deliver' })
        if (attempts < attemptsMax) continue
        add({
          ...about,
          proc,
          type: 'ok',
          f: 'deadletter',
          attempt: attempts,
          attemptsMax,
          exhausted: true,
          ...(sent.sha256 === undefined ? {} : { sha256: sent.sha256 }),
        })
        if (sent.key !== undefined) lane.parkedBehind = id
        return
      } else {
        if (group === 'stock') add({ ...about, proc, type: 'ok', f: 'effect' })
        add({ ...about, proc, type: 'ok', f: 'deliver' })
        add({ ...about, proc, type: random() < 0.9 ? 'ok' : 'info', f: 'accept' })
        return
      }
      if (attempts >= attemptsMax) attempts = attemptsMax - 1
    }
  }
  const settleParked = (group: string, lane: Lane): void => {
    while (lane.parkedBehind !== undefined) {
      const id = lane.parkedBehind
      const sent = events.find((e) => e.f === 'send' && e.id === id) as HistoryEvent
      lane.parkedBehind = undefined
      if (random() < 0.5) add({ proc: 'person', type: 'ok', f: 'discard', group, id })
      else {
        add({ proc: 'person', type: 'ok', f: 'redrive', group, id })
        handle(group, sent, lane)
      }
    }
  }
  const drain = (group: string, name: string): void => {
    const lane = lanes.get(name) as Lane
    for (let sent = lane.waiting.shift(); sent !== undefined; sent = lane.waiting.shift()) {
      if (lane.parkedBehind !== undefined) add({ proc: `${group}-0`, type: 'ok', f: 'park', group, id: sent.id as string, behind: lane.parkedBehind })
      settleParked(group, lane)
      if (random() < 0.03) add({ proc: `${group}-0`, type: 'ok', f: random() < 0.5 ? 'skip' : 'expire', group, id: sent.id as string })
      else handle(group, sent, lane)
    }
  }
  for (let n = 0; n < messages; n++) {
    const p = pick(2)
    const key = random() < 0.8 ? `k${pick(4)}` : undefined
    const sent: Draft = {
      proc: `p${p}`,
      type: 'invoke',
      f: 'send',
      channel: random() < 0.05 ? 'nobody' : 'orders',
      id: `m${n}`,
      producer: `p${p}`,
      seq: seqs[p] as number,
      sha256: `h${n}`,
      ...(key === undefined ? {} : { key }),
      ...(random() < 0.05 && key === undefined ? { dueMs: 2_000_000 } : {}),
    }
    seqs[p] = (seqs[p] as number) + 1
    add(sent)
    const outcome = random()
    add({ proc: sent.proc, type: outcome < 0.9 ? 'ok' : outcome < 0.95 ? 'info' : 'fail', f: 'send', id: sent.id as string })
    if (outcome >= 0.95) continue
    if (sent.channel === 'nobody') {
      add({ proc: 'judge', type: 'ok', f: 'unrouted', id: sent.id as string })
      continue
    }
    for (const group of ['stock', 'mail']) {
      const name = `${group} ${p} ${key ?? `id${n}`}`
      const lane = lanes.get(name) ?? { waiting: [], parkedBehind: undefined }
      lanes.set(name, lane)
      lane.waiting.push(sent)
      if (random() < 0.5) drain(group, name)
    }
  }
  for (const name of lanes.keys()) drain(name.split(' ')[0] as string, name)
  return events
}
