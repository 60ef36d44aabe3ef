/** Run by node:test in a process of its own: registers the suite as the {@link SuiteOrder} in its environment says. */
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { conformance } from '../index.ts'
import { nothingLeft, orderVariable, type SuiteOrder } from './order.ts'
import { loadFactory, newPlace } from './plan.ts'

// What keeps this process alive before the transport has come.
const before = counted(process.getActiveResourcesInfo())
const patienceMs = 5_000
const order = JSON.parse(process.env[orderVariable] ?? '') as SuiteOrder
const factory = await loadFactory(order)

conformance({
  name: order.name,
  transport: factory,
  url: () => newPlace(order, factory),
  options: order.options,
  concurrency: order.concurrency,
  skip: order.skip,
  parts: ['transport', 'bus', 'processes'],
  ...(order.oneProcess ? {} : { member: { module: order.module, export: order.export } }),
  ...(order.crashes ? { crash: (open) => void (open as typeof open & { crash(): void }).crash() } : {}),
})

// Runs after all cases.
test(nothingLeft, async () => {
  const deadlineMs = performance.now() + patienceMs
  let left = leftBehind()
  while (left.length > 0 && performance.now() < deadlineMs) {
    await sleep(50)
    left = leftBehind()
  }
  if (left.length === 0) return
  // Nobody else ends this process: what is left keeps it alive.
  setTimeout(() => process.exit(1), 200)
  throw new Error(`after all transports were closed their process is still kept alive by ${left.join(', ')}`)
})

function leftBehind(): string[] {
  const now = counted(process.getActiveResourcesInfo())
  return [...now].flatMap(([kind, count]) => (count > (before.get(kind) ?? 0) ? [`${count - (before.get(kind) ?? 0)} × ${kind}`] : []))
}

function counted(kinds: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const kind of kinds) if (kind !== 'Immediate' && kind !== 'TickObject') counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}
