/** The buttons. */
import type { Action, PageState } from '../src/page/state.ts'
import { count } from './format.ts'
import { text } from './language.ts'

const byId = (id: string): HTMLElement => document.getElementById(id) as HTMLElement
let state: PageState | undefined

/** Sends a button's wish; what goes wrong is said beside the buttons. */
export async function act(action: Action, button?: HTMLButtonElement): Promise<void> {
  const problem = byId('problem')
  if (button !== undefined) button.disabled = true
  try {
    const response = await fetch('/actions', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(action) })
    const { error } = (await response.json()) as { error?: string }
    if (error !== undefined) throw new Error(error)
    problem.hidden = true
  } catch (error) {
    problem.textContent = text('actionFailed', { reason: error instanceof Error ? error.message : String(error) })
    problem.hidden = false
  } finally {
    if (button !== undefined) button.disabled = false
  }
}

/** Wires the buttons that are always there. */
export function startControls(): void {
  const wire = (id: string, action: () => Action): void =>
    byId(id).addEventListener('click', (event) => void act(action(), event.currentTarget as HTMLButtonElement))
  wire('burst', () => ({ action: 'burst' }))
  wire('price-list', () => ({ action: 'price-list' }))
  wire('feed', () => ({ action: state?.feed.paused === true ? 'resume' : 'pause' }))
  for (const input of document.querySelectorAll<HTMLInputElement>('input[name="mode"]')) {
    input.addEventListener('change', () => void act({ action: 'mode', mode: input.value === 'synchronous' ? 'synchronous' : 'asynchronous' }))
  }
}

/** Shows the state on the buttons. */
export function drawControls(next: PageState): void {
  const before = state
  state = next
  const burst = byId('burst') as HTMLButtonElement
  burst.textContent = next.burst === undefined ? text('burst') : text('burstRunning', { sent: count(next.burst.sent) })
  burst.disabled = next.burst !== undefined
  byId('feed').textContent = text(next.feed.paused ? 'feedResume' : 'feedPause')
  byId('price-list-state').textContent =
    next.priceList.version === 0
      ? ''
      : text('priceListState', { version: next.priceList.version, heard: next.priceList.heard, services: Object.keys(next.services).length })
  byId('providers').textContent = text('providers', next.latencies)
  // A click is newer than the picture that was on its way.
  if (before?.mode !== next.mode) {
    for (const input of document.querySelectorAll<HTMLInputElement>('input[name="mode"]')) input.checked = input.value === next.mode
  }
}
