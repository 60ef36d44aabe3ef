/** The table of services and their groups, each with its button. Rows are made once and filled again, so nothing flickers. */
import type { GroupView, PageState, ServiceView } from '../src/page/state.ts'
import type { ServiceName } from '../src/services/topology.ts'
import type { TextKey } from '../src/text/en.ts'
import { act } from './controls.ts'
import { count, duration, rate } from './format.ts'
import { text } from './language.ts'

const stateKeys: Readonly<Record<ServiceView['state'], TextKey>> = {
  starting: 'stateStarting',
  running: 'stateRunning',
  stopping: 'stateStopping',
  stopped: 'stateStopped',
  restarting: 'stateRestarting',
}
const attentionAgeMs = 5_000
const heads: readonly TextKey[] = ['group', 'state', 'handled', 'backlog', 'oldest', 'mode']
const rows = new Map<string, HTMLTableRowElement>()
const pressed = new Map<ServiceName, number>()
let bodies: Map<ServiceName, HTMLTableSectionElement> | undefined

function build(services: readonly ServiceName[]): Map<ServiceName, HTMLTableSectionElement> {
  const table = document.createElement('table')
  const head = table.createTHead().insertRow()
  for (const key of heads) {
    const cell = document.createElement('th')
    cell.scope = 'col'
    cell.dataset.key = key
    head.append(cell)
  }
  const made = new Map<ServiceName, HTMLTableSectionElement>()
  for (const service of services) {
    const body = table.createTBody()
    body.className = 'service'
    const row = makeRow(body, 'head', 'rowgroup')
    const button = document.createElement('button')
    button.type = 'button'
    button.dataset.service = service
    button.addEventListener('click', () => void press(service, button))
    row.cells[5]?.append(button)
    rows.set(service, row)
    made.set(service, body)
  }
  document.getElementById('services')?.replaceChildren(table)
  return made
}

// The button stays off until a picture that is newer than its effect: else it would still offer what was just done.
async function press(service: ServiceName, button: HTMLButtonElement): Promise<void> {
  pressed.set(service, Number.POSITIVE_INFINITY)
  button.disabled = true
  await act({ action: button.dataset.does === 'start' ? 'start' : 'stop', service })
  pressed.set(service, Date.now())
}

function makeRow(body: HTMLTableSectionElement, kind: 'head' | 'group', scope: 'rowgroup' | 'row'): HTMLTableRowElement {
  const row = body.insertRow()
  row.className = kind
  const head = document.createElement('th')
  head.scope = scope
  row.append(head)
  // A group has no state of its own: its long name takes that place.
  if (kind === 'group') head.colSpan = 2
  for (let i = head.colSpan; i < heads.length; i++) row.insertCell()
  return row
}

function fill(cell: HTMLTableCellElement | undefined, words: string, level = ''): void {
  if (cell === undefined) return
  if (cell.textContent !== words) cell.textContent = words
  if (cell.dataset.level !== level) cell.dataset.level = level
}

function drawService(service: ServiceName, view: ServiceView, groups: readonly GroupView[], atMs: number): void {
  const row = rows.get(service)
  if (row === undefined) return
  const [name, state, handled, backlog, oldest, control] = row.cells
  fill(name, text(service))
  fill(state, text(stateKeys[view.state]))
  if (state !== undefined) {
    state.className = 'state'
    state.dataset.state = view.state
  }
  fill(handled, rate(view.handledPerSecond))
  fill(backlog, count(groups.reduce((sum, group) => sum + group.backlog, 0)))
  fillAge(oldest, Math.max(0, ...groups.map((group) => group.oldestAgeMs)))
  const button = control?.querySelector('button')
  if (button === null || button === undefined) return
  const start = view.state === 'stopped'
  button.dataset.does = start ? 'start' : 'stop'
  button.textContent = text(start ? 'start' : 'stop')
  button.setAttribute('aria-label', text(start ? 'startService' : 'stopService', { service: text(service) }))
  if (atMs > (pressed.get(service) ?? 0)) pressed.delete(service)
  button.disabled = pressed.has(service) || view.state === 'stopping' || view.state === 'starting'
}

function fillAge(cell: HTMLTableCellElement | undefined, ageMs: number): void {
  fill(cell, ageMs > 0 ? duration(ageMs) : '–', ageMs >= attentionAgeMs ? 'attention' : '')
}

function drawGroup(group: GroupView): void {
  const key = `${group.service} ${group.channel}`
  let row = rows.get(key)
  if (row === undefined) {
    const body = bodies?.get(group.service)
    if (body === undefined) return
    row = makeRow(body, 'group', 'row')
    rows.set(key, row)
  }
  const [name, , backlog, oldest] = row.cells
  // A command's group is its channel; saying it twice tells nothing.
  const channel = group.channel.replaceAll('.', '.\u200b') // may break at its dots
  fill(name, group.group === group.channel ? channel : `${channel} → ${group.group}`)
  fill(backlog, count(group.backlog))
  fillAge(oldest, group.oldestAgeMs)
}

/** Shows all services and groups. */
export function drawServices(state: PageState): void {
  const services = Object.keys(state.services) as ServiceName[]
  bodies ??= build(services)
  for (const cell of document.querySelectorAll<HTMLElement>('#services thead th')) {
    const key = cell.dataset.key
    cell.textContent = key === 'mode' ? '' : text(key as TextKey)
  }
  for (const service of services)
    drawService(
      service,
      state.services[service],
      state.groups.filter((group) => group.service === service),
      state.atMs,
    )
  for (const group of state.groups) drawGroup(group)
}
