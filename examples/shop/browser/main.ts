/** Starts the page. */
import type { PageState } from '../src/page/state.ts'
import { addMoment, buildCharts, fitCharts, setHistory } from './charts.ts'
import { drawControls, startControls } from './controls.ts'
import { drawFigures } from './figures.ts'
import { startLanguage } from './language.ts'
import { startLive } from './live.ts'
import { drawPicture } from './picture.ts'
import { drawServices } from './services.ts'
import { startTheme } from './theme.ts'
import { drawVerdict } from './verdict.ts'

let latest: PageState | undefined

function draw(): void {
  if (latest === undefined) return
  drawVerdict(latest)
  drawControls(latest)
  drawFigures(latest)
  drawPicture(latest)
  drawServices(latest)
}

startTheme(() => buildCharts())
await startLanguage(() => {
  draw()
  buildCharts()
})
startControls()
startLive(setHistory, (state) => {
  latest = state
  draw()
  addMoment(state)
})
addEventListener('resize', () => {
  fitCharts()
  if (latest !== undefined) drawPicture(latest)
})
