/**
 * The live picture: services as nodes, all messages from one to another as an edge whose width is their rate. Elements
 * are made once per layout and then only changed. Wide windows: order to the left, the others stacked to the right.
 * Narrow ones: order on top, the others below it on a common trunk.
 */
import type { EdgeView, PageState, ServiceView } from '../src/page/state.ts'
import type { ServiceName } from '../src/services/topology.ts'
import type { TextKey } from '../src/text/en.ts'
import { count, duration, milliseconds, rate } from './format.ts'
import { text } from './language.ts'

interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

interface Node {
  readonly group: SVGGElement
  readonly name: SVGTextElement
  readonly detail: SVGTextElement
}

interface Edge {
  readonly line: SVGPathElement
  readonly flow: SVGPathElement
  readonly label: SVGTextElement
  readonly cross: SVGPathElement
}

const others: readonly ServiceName[] = ['inventory', 'payment', 'logistics', 'notification', 'points']
const stateKeys: Readonly<Record<ServiceView['state'], TextKey>> = {
  starting: 'stateStarting',
  running: 'stateRunning',
  stopping: 'stateStopping',
  stopped: 'stateStopped',
  restarting: 'stateRestarting',
}
const narrowPx = 620
const nodeHeight = 48
const svgNames = 'http://www.w3.org/2000/svg'

let layoutWidth = 0
let nodes = new Map<string, Node>()
let edges = new Map<string, Edge>()

function make<K extends keyof SVGElementTagNameMap>(name: K, attributes: Readonly<Record<string, string | number>>, parent: Element): SVGElementTagNameMap[K] {
  const element = document.createElementNS(svgNames, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value))
  parent.append(element)
  return element
}

function boxesFor(width: number): { readonly boxes: ReadonlyMap<string, Box>; readonly height: number; readonly narrow: boolean } {
  const boxes = new Map<string, Box>()
  if (width < narrowPx) {
    boxes.set('customers', { x: 0, y: 0, width, height: nodeHeight })
    boxes.set('order', { x: 0, y: 72, width, height: nodeHeight })
    for (const [index, service] of others.entries()) boxes.set(service, { x: 72, y: 148 + index * 64, width: width - 72, height: nodeHeight })
    return { boxes, height: 148 + 4 * 64 + nodeHeight + 4, narrow: true }
  }
  const nodeWidth = Math.min(208, Math.max(148, width * 0.19))
  const step = 68
  const height = 4 * step + nodeHeight + 8
  const middle = (height - nodeHeight) / 2
  boxes.set('customers', { x: 0, y: middle, width: nodeWidth * 0.82, height: nodeHeight })
  boxes.set('order', { x: width * 0.3, y: middle, width: nodeWidth, height: nodeHeight })
  for (const [index, service] of others.entries()) boxes.set(service, { x: width - nodeWidth, y: 4 + index * step, width: nodeWidth, height: nodeHeight })
  return { boxes, height, narrow: false }
}

// Way there above, way back below; `customers → order` has the way there only.
function pathFor(
  from: Box,
  to: Box,
  narrow: boolean,
  back: boolean,
  index: number,
): { readonly path: string; readonly labelX: number; readonly labelY: number } {
  if (from.width > 0 && narrow) {
    if (index < 0) return { path: `M ${from.x + 36} ${from.y + from.height} V ${to.y}`, labelX: from.x + 48, labelY: to.y - 8 }
    const trunk = back ? 44 : 20
    const y = to.y + to.height / 2 + (back ? 10 : -10)
    const down = `M ${trunk} ${from.y + from.height} V ${y - 8} q 0 8 8 8 H ${to.x}`
    return { path: down, labelX: back ? to.x + to.width : to.x + 12, labelY: to.y - 4 }
  }
  if (index < 0) {
    const y = from.y + from.height / 2
    return { path: `M ${from.x + from.width} ${y} H ${to.x}`, labelX: (from.x + from.width + to.x) / 2, labelY: y - 10 }
  }
  const offset = back ? 9 : -9
  const startY = from.y + from.height / 2 + (index - 2) * 6 + offset / 3
  const endY = to.y + to.height / 2 + offset
  const startX = from.x + from.width
  // Level for the last stretch, so that its label lies on no other line.
  const levelX = to.x - Math.min(190, (to.x - startX) * 0.62)
  const bend = (levelX - startX) * 0.5
  const path = `M ${startX} ${startY} C ${startX + bend} ${startY}, ${levelX - bend} ${endY}, ${levelX} ${endY} H ${to.x}`
  return { path, labelX: to.x - 8, labelY: back ? endY + 16 : endY - 8 }
}

function build(host: HTMLElement, width: number): void {
  const { boxes, height, narrow } = boxesFor(width)
  const svg = document.createElementNS(svgNames, 'svg')
  svg.setAttribute('viewBox', `0 0 ${width} ${height}`)
  svg.setAttribute('height', String(height))
  svg.setAttribute('role', 'img')
  nodes = new Map()
  edges = new Map()
  const lines = make('g', {}, svg)
  const boxLayer = make('g', {}, svg)
  const labels = make('g', {}, svg)
  const order = boxes.get('order') as Box
  const addEdge = (name: string, from: Box, to: Box, back: boolean, index: number): void => {
    const { path, labelX, labelY } = pathFor(from, to, narrow, back, index)
    const anchor = narrow && !back ? 'start' : index < 0 ? 'middle' : 'end'
    edges.set(name, {
      line: make('path', { class: 'edge', d: path }, lines),
      // What comes back flows the other way along the same drawn line.
      flow: make('path', { class: back ? 'flow back' : 'flow', d: path, 'data-pace': 0 }, lines),
      cross: make(
        'path',
        { class: 'cross', d: crossAt(labelX + (narrow ? -24 : -8), narrow ? labelY + 18 : back ? labelY - 16 : labelY + 8), visibility: 'hidden' },
        lines,
      ),
      label: make('text', { class: 'edge-label', x: labelX, y: labelY, 'text-anchor': anchor }, labels),
    })
  }
  addEdge('customers order', boxes.get('customers') as Box, order, false, -1)
  for (const [index, service] of others.entries()) {
    addEdge(`order ${service}`, order, boxes.get(service) as Box, false, index)
    if (service === 'inventory' || service === 'payment' || service === 'logistics') addEdge(`${service} order`, order, boxes.get(service) as Box, true, index)
  }
  for (const [name, box] of boxes) {
    const group = make('g', { class: 'node' }, boxLayer)
    make('rect', { x: box.x + 0.5, y: box.y + 0.5, width: box.width - 1, height: box.height - 1, rx: 4 }, group)
    nodes.set(name, {
      group,
      name: make('text', { class: 'name', x: box.x + 12, y: box.y + 20 }, group),
      detail: make('text', { class: 'detail', x: box.x + 12, y: box.y + 37 }, group),
    })
  }
  host.replaceChildren(svg)
}

function crossAt(x: number, y: number): string {
  return `M ${x - 5} ${y - 5} l 10 10 m 0 -10 l -10 10`
}

function drawNode(name: string, title: string, detail: string, state: string): void {
  const node = nodes.get(name)
  if (node === undefined) return
  node.group.dataset.state = state
  if (node.name.textContent !== title) node.name.textContent = title
  if (node.detail.textContent !== detail) node.detail.textContent = detail
}

function drawEdge(name: string, perSecond: number, label: string, attention: boolean, broken: boolean): void {
  const edge = edges.get(name)
  if (edge === undefined) return
  edge.line.setAttribute('stroke-width', (1.5 + 1.8 * Math.log10(1 + perSecond)).toFixed(1))
  edge.line.dataset.state = broken ? 'broken' : ''
  edge.cross.setAttribute('visibility', broken ? 'visible' : 'hidden')
  edge.flow.dataset.pace = broken || perSecond < 0.2 ? '0' : perSecond < 20 ? '1' : perSecond < 300 ? '2' : '3'
  edge.label.dataset.level = attention ? 'attention' : ''
  if (edge.label.textContent !== label) edge.label.textContent = label
}

function labelOf(edge: EdgeView, away: boolean): string {
  const parts = edge.perSecond > 0 && !away ? [text('perSecond', { count: rate(edge.perSecond) })] : []
  if (edge.backlog > 0) parts.push(text('waiting', { count: count(edge.backlog) }))
  if (edge.backlog > 0 && edge.oldestAgeMs >= 1_000) parts.push(duration(edge.oldestAgeMs))
  return parts.join(' · ')
}

/** Draws the state; lays out anew when the width of the window changed. */
export function drawPicture(state: PageState): void {
  const host = document.getElementById('picture') as HTMLElement
  const width = Math.round(host.clientWidth)
  if (width !== layoutWidth && width > 0) {
    layoutWidth = width
    build(host, width)
  }
  host.firstElementChild?.setAttribute('aria-label', text('pictureLabel'))
  const { api, services } = state
  // A few are always at the door.
  const waiting = api.waiting > 40 ? text('waiting', { count: count(api.waiting) }) : ''
  drawNode('customers', text('customers'), waiting || (api.p50Ms === undefined ? '–' : `p50 ${milliseconds(api.p50Ms)}`), 'running')
  for (const [service, view] of Object.entries(services)) {
    const detail = view.state === 'running' ? text('perSecond', { count: rate(view.handledPerSecond) }) : text(stateKeys[view.state])
    drawNode(service, text(service as ServiceName), detail, view.state)
  }
  const orderAway = services.order.state === 'stopped' || services.order.state === 'restarting'
  drawEdge('customers order', api.perSecond, orderAway ? '' : text('perSecond', { count: rate(api.perSecond) }), orderAway, orderAway)
  for (const edge of state.edges) {
    const away = services[edge.to].state === 'stopped' || services[edge.to].state === 'restarting'
    drawEdge(`${edge.from} ${edge.to}`, edge.perSecond, labelOf(edge, away), away || edge.oldestAgeMs > 5_000, away)
  }
}
