/** Three charts over the last two minutes, by uPlot. */
import type { HistoryPoint, PageState } from '../src/page/state.ts'
import type { TextKey } from '../src/text/en.ts'
import { count, milliseconds, rate } from './format.ts'
import { language, text } from './language.ts'
import { colour } from './theme.ts'

interface Plot {
  readonly cursor: { readonly idx?: number | null | undefined }
  setData(data: readonly (readonly (number | null)[])[]): void
  setSize(size: { width: number; height: number }): void
  destroy(): void
}
type MakePlot = new (options: object, data: readonly (readonly (number | null)[])[], target: HTMLElement) => Plot

interface Series {
  readonly label: TextKey
  readonly column: 1 | 2 | 3 | 4 | 5
  readonly stroke: 'accent' | 'second'
  readonly dash?: readonly number[]
}

const pointsMax = 240
const heightPx = 148
const charts: readonly { readonly title: TextKey; readonly log: boolean; readonly show: (value: number) => string; readonly series: readonly Series[] }[] = [
  {
    title: 'chartResponse',
    log: true,
    show: milliseconds,
    series: [
      { label: 'seriesP50', column: 1, stroke: 'accent' },
      { label: 'seriesP99', column: 2, stroke: 'second', dash: [4, 3] },
    ],
  },
  {
    title: 'chartRate',
    log: false,
    show: rate,
    series: [
      { label: 'seriesMessages', column: 4, stroke: 'accent' },
      { label: 'seriesOrders', column: 3, stroke: 'second', dash: [4, 3] },
    ],
  },
  { title: 'chartBacklog', log: false, show: count, series: [{ label: 'seriesBacklog', column: 5, stroke: 'accent' }] },
]
const history: HistoryPoint[] = []
interface Drawn {
  readonly plot: Plot
  readonly chart: (typeof charts)[number]
  readonly box: HTMLElement
  readonly values: readonly HTMLElement[]
}
let plots: Drawn[] = []

function dataOf(chart: (typeof charts)[number]): (number | null)[][] {
  return [0, ...chart.series.map((series) => series.column)].map((column) => history.map((point) => point[column as 0] as number | null))
}

// Figures beside the names: where the pointer is, else the newest.
function drawLegend({ plot, chart, values }: Drawn): void {
  const point = history[plot.cursor.idx ?? history.length - 1]
  for (const [index, { column }] of chart.series.entries()) {
    const element = values[index]
    const value = point?.[column]
    if (element !== undefined) element.textContent = value === null || value === undefined ? '–' : chart.show(value)
  }
}

function optionsOf(chart: (typeof charts)[number], width: number): object {
  const axis = {
    stroke: colour('muted'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { stroke: colour('line'), width: 1, size: 4 },
    font: '11px system-ui, sans-serif',
  }
  const clock = new Intl.DateTimeFormat(language(), { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })
  return {
    width,
    height: heightPx,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    hooks: { setCursor: [() => plots.forEach(drawLegend)] },
    scales: {
      x: { time: true },
      y: chart.log
        ? { distr: 3, range: (_: unknown, low: number | null, high: number | null) => [Math.min(1, low ?? 1), Math.max(1000, high ?? 1)] }
        : { range: (_: unknown, _low: number, high: number | null) => [0, Math.max(10, (high ?? 0) * 1.1)] },
    },
    axes: [
      { ...axis, size: 28, space: 80, values: (_: unknown, ticks: readonly number[]) => ticks.map((tick) => clock.format(tick * 1000)) },
      {
        ...axis,
        size: 56,
        space: 28,
        ...(chart.log
          ? { splits: (_: unknown, _axis: number, low: number, high: number) => [1, 10, 100, 1_000, 10_000].filter((value) => value >= low && value <= high) }
          : {}),
        values: (_: unknown, ticks: readonly (number | null)[]) => ticks.map((tick) => (tick === null ? '' : count(tick))),
      },
    ],
    series: [
      {},
      ...chart.series.map(({ label, stroke, dash }) => ({
        label: text(label),
        stroke: colour(stroke),
        width: 1.5,
        dash,
        points: { show: false },
        spanGaps: true,
      })),
    ],
  }
}

/** Draws the charts anew: language or colours changed, or there is something to draw for the first time. */
export function buildCharts(): void {
  const MakePlot = (window as unknown as { uPlot?: MakePlot }).uPlot
  const row = document.getElementById('charts')
  const empty = document.getElementById('charts-empty')
  if (MakePlot === undefined || row === null || history.length < 2) return
  for (const { plot } of plots) plot.destroy()
  if (empty !== null) empty.hidden = true
  row.replaceChildren()
  plots = charts.map((chart) => {
    const section = document.createElement('div')
    section.className = 'chart'
    const title = document.createElement('h3')
    title.textContent = text(chart.title)
    const box = document.createElement('div')
    box.className = 'plot'
    const legend = document.createElement('p')
    legend.className = 'legend'
    section.append(title, legend, box)
    row.append(section)
    const drawn = {
      plot: new MakePlot(optionsOf(chart, section.clientWidth), dataOf(chart), box),
      chart,
      box,
      values: chart.series.map((series) => addLegend(legend, series)),
    }
    drawLegend(drawn)
    return drawn
  })
}

function addLegend(legend: HTMLElement, { label, stroke, dash }: Series): HTMLElement {
  const item = document.createElement('span')
  item.className = dash === undefined ? 'solid' : 'dashed'
  item.dataset.stroke = stroke
  const value = document.createElement('b')
  item.append(`${text(label)} `, value)
  legend.append(item)
  return value
}

/** The last two minutes as the server remembers them. */
export function setHistory(points: readonly HistoryPoint[]): void {
  history.splice(0, history.length, ...points)
  buildCharts()
}

/** Adds a moment. */
export function addMoment(state: PageState): void {
  const seconds = state.atMs / 1000
  if ((history.at(-1)?.[0] ?? 0) >= seconds) return
  const messages = Object.values(state.services).reduce((sum, service) => sum + service.handledPerSecond, 0)
  const waiting = state.groups.reduce((sum, group) => sum + group.backlog, 0)
  history.push([seconds, state.api.p50Ms ?? null, state.api.p99Ms ?? null, state.api.perSecond, messages, waiting])
  if (history.length > pointsMax) history.shift()
  if (plots.length === 0) buildCharts()
  for (const drawn of plots) {
    drawn.plot.setData(dataOf(drawn.chart))
    drawLegend(drawn)
  }
}

/** Follows the width of the window. */
export function fitCharts(): void {
  for (const { plot, box } of plots) if (box.clientWidth > 0) plot.setSize({ width: box.clientWidth, height: heightPx })
}
