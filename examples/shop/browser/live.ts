/** The stream of pictures. The browser reconnects by itself; the page says so meanwhile. */
import type { HistoryPoint, PageState } from '../src/page/state.ts'
import { duration } from './format.ts'
import { text } from './language.ts'

// Two pictures a second: after three missed ones something is wrong, whatever the connection says.
const lateMs = 2_000

/** Listens for ever. */
export function startLive(onHistory: (history: readonly HistoryPoint[]) => void, onState: (state: PageState) => void): void {
  const status = document.querySelector<HTMLElement>('#live')
  let lastMs: number | undefined
  const source = new EventSource('/events')
  const say = (): void => {
    if (status === null) return
    const lost = lastMs !== undefined && performance.now() - lastMs > lateMs
    const words =
      lastMs === undefined
        ? text('connecting')
        : lost
          ? text('reconnecting', { age: duration(Math.round((performance.now() - lastMs) / 1000) * 1000) })
          : text('live')
    if (status.textContent !== words) status.textContent = words
    status.dataset.state = lost ? 'lost' : 'live'
    if (source.readyState === EventSource.CLOSED) location.reload()
  }
  source.addEventListener('history', (event) => onHistory(JSON.parse(event.data as string) as HistoryPoint[]))
  source.addEventListener('state', (event) => {
    lastMs = performance.now()
    onState(JSON.parse(event.data as string) as PageState)
    say()
  })
  setInterval(say, 500)
  say()
}
