/** One sentence on how the shop is, before any figure. */
import type { PageState } from '../src/page/state.ts'
import type { ServiceName } from '../src/services/topology.ts'
import { count, duration } from './format.ts'
import { text } from './language.ts'

// Fewer are on their way at any time, and no news.
const busyBacklog = 200
const busyAgeMs = 2_000

interface Verdict {
  readonly level: 'good' | 'attention' | 'broken'
  readonly sentence: string
}

function judge(state: PageState): Verdict {
  const away = (Object.keys(state.services) as ServiceName[]).filter((service) => state.services[service].state !== 'running')
  const first = away[0]
  if (state.totals.deadLetters > 0) return { level: 'broken', sentence: text('verdictDead', { count: count(state.totals.deadLetters) }) }
  if (first !== undefined) {
    const name = text(first)
    const waiting = behind(state, first)
    if (state.mode === 'synchronous') return { level: 'broken', sentence: text('verdictChainBroken', { service: name }) }
    if (state.services[first].state === 'restarting') return { level: 'attention', sentence: text('verdictRestarting', { service: name }) }
    if (first === 'order') return { level: 'attention', sentence: text('verdictOrderStopped', { count: count(state.api.waiting) }) }
    return { level: 'attention', sentence: text('verdictStopped', { service: name, count: count(waiting.backlog), age: duration(waiting.oldestAgeMs) }) }
  }
  if (state.mode === 'synchronous') return { level: 'good', sentence: text('verdictChain') }
  const all = behind(state, undefined)
  if (all.backlog >= busyBacklog || all.oldestAgeMs >= busyAgeMs) {
    return { level: 'good', sentence: text('verdictBusy', { count: count(all.backlog), age: duration(all.oldestAgeMs) }) }
  }
  return { level: 'good', sentence: text('verdictGood') }
}

function behind(state: PageState, service: ServiceName | undefined): { readonly backlog: number; readonly oldestAgeMs: number } {
  const groups = state.groups.filter((group) => service === undefined || group.service === service)
  return { backlog: groups.reduce((sum, group) => sum + group.backlog, 0), oldestAgeMs: Math.max(0, ...groups.map((group) => group.oldestAgeMs)) }
}

/** Shows the verdict. */
export function drawVerdict(state: PageState): void {
  const element = document.getElementById('verdict') as HTMLElement
  const { level, sentence } = judge(state)
  element.dataset.level = level
  if (element.textContent !== sentence) element.textContent = sentence
}
