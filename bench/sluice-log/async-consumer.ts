/** Handlers that wait a millisecond, by Sluice over a backlog or (`bare`) by loops around the same wait. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'sluice'
import { nowNs, readyAndGo, report } from '../processes.ts'
import { OrderPlaced } from './contract.ts'

const [folder = '', countText = '0', concurrencyText = '16', kind = 'sluice'] = process.argv.slice(2)
const count = Number(countText)
const concurrency = Number(concurrencyText)
// The first ones warm the code up.
const warm = count / 10
let begun = 0
let ended = 0
let serviceMs = 0
let startNs = 0
let endNs = 0
let finish: (() => void) | undefined
const finished = new Promise<void>((resolve) => {
  finish = resolve
})

async function serve(): Promise<void> {
  begun++
  const fromMs = performance.now()
  await sleep(1)
  const tookMs = performance.now() - fromMs
  if (++ended === warm) startNs = nowNs()
  else if (ended > warm) serviceMs += tookMs
  if (ended !== count) return
  endNs = nowNs()
  finish?.()
}

await readyAndGo()
if (kind === 'bare') {
  const loop = async (): Promise<void> => {
    while (begun < count) await serve()
  }
  await Promise.all(Array.from({ length: concurrency }, loop))
} else {
  const bus = await connect({ service: 'inventory', url: `file:${join(folder, 'bus.db')}`, logger: false })
  bus.on(OrderPlaced, serve, { concurrency })
  await bus.start()
  await finished
  await bus.stop()
}
report({ rate: ((count - warm) * 1e9) / (endNs - startNs), serviceMs: serviceMs / (count - warm) })
