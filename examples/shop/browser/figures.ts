/** The row of totals. */
import type { PageState } from '../src/page/state.ts'
import type { TextKey } from '../src/text/en.ts'
import { count, milliseconds } from './format.ts'
import { text } from './language.ts'

const cells = new Map<TextKey, { readonly term: HTMLElement; readonly value: HTMLElement; readonly box: HTMLElement }>()

function cell(key: TextKey): { readonly term: HTMLElement; readonly value: HTMLElement; readonly box: HTMLElement } {
  let made = cells.get(key)
  if (made === undefined) {
    made = { box: document.createElement('div'), term: document.createElement('dt'), value: document.createElement('dd') }
    made.box.append(made.term, made.value)
    document.getElementById('figures')?.append(made.box)
    cells.set(key, made)
  }
  return made
}

function show(key: TextKey, value: string, broken = false): void {
  const { term, value: element, box } = cell(key)
  term.textContent = text(key)
  element.textContent = value
  box.dataset.level = broken ? 'broken' : ''
}

/** Shows the totals. */
export function drawFigures({ totals, feed, api, burst }: PageState): void {
  show(
    'orders',
    burst === undefined && totals.accepted <= feed.total
      ? text('ordersOf', { done: count(totals.accepted), total: count(feed.total) })
      : count(totals.accepted),
  )
  show('completed', count(totals.completed))
  show('cancelled', count(totals.cancelled))
  show('refunded', count(totals.refunded))
  show('open', count(totals.open))
  show('redelivered', count(totals.redelivered))
  show('deadLetters', count(totals.deadLetters), totals.deadLetters > 0)
  show('responseNow', api.p50Ms === undefined ? '–' : milliseconds(api.p50Ms))
  show('responseTail', api.p99Ms === undefined ? '–' : milliseconds(api.p99Ms))
  const hint = document.getElementById('hint') as HTMLElement
  const key = feed.paused ? 'feedPaused' : feed.posted >= feed.total ? 'feedDone' : undefined
  hint.hidden = key === undefined
  if (key !== undefined) hint.textContent = text(key)
}
