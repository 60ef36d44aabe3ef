/** Sluice on a broker beside the best raw client of that broker: the same server, attributes, bytes, checks and batches, in turns. */
import { type Benchmark, type BenchOptions, compared, median, percentile, type Row } from '../benchmark.ts'
import { ratioInterval } from '../interval.ts'
import { installClients } from '../peers/install.ts'
import { withServers } from '../servers.ts'
import type { Broker } from './broker.ts'
import { Runs, type Side } from './runs.ts'

const ratioMin = 0.9
const eachRatioMin = 0.8
const pacedPerSecond = 2000
const pacedCount = 8_000
const slowerMsMax = { p50: 0.2, p99: 1 }

/** Who comes first takes turns: a server slows down, or warms up, over a run. */
function inTurns(pair: number): readonly Side[] {
  return pair % 2 === 0 ? ['raw', 'sluice'] : ['sluice', 'raw']
}

/** Whole batches. */
function messagesOf({ batch: [size], share }: Broker, count: number): number {
  return Math.max(1, Math.round((count * share) / size)) * size
}

function intervalOf(ours: readonly number[], theirs: readonly number[]): { readonly low: number | undefined; readonly text: string } {
  const { low, high } = ratioInterval(ours.map((value, n) => value / (theirs[n] ?? Number.NaN)))
  const text = low === undefined || high === undefined ? 'one pair, no interval' : `95 % interval ${low.toFixed(3)}–${high.toFixed(3)}, ${ours.length} pairs`
  return { low, text }
}

async function throughput(broker: Broker, runs: Runs, { pairs, count }: BenchOptions): Promise<readonly Row[]> {
  const { library } = broker
  const messages = messagesOf(broker, count)
  const libraryMessages = Math.max(1000, Math.round((messages * library.share) / 1000) * 1000)
  const rate = async (side: Side): Promise<number> => {
    const { startNs, endNs } = await runs.pair(side, messages, 'batches')
    return (messages * 1e9) / (endNs - startNs)
  }
  // Servers that compile while they run are measured warm.
  await rate('raw')
  const ours: number[] = []
  const theirs: number[] = []
  const libraries: number[] = []
  for (let pair = 0; pair < pairs; pair++) {
    for (const side of inTurns(pair)) (side === 'sluice' ? ours : theirs).push(await rate(side))
    libraries.push(await runs.library(libraryMessages))
  }
  const { low, text } = intervalOf(ours, theirs)
  return [
    compared(
      {
        name: `${broker.title}: end to end`,
        unit: 'messages/s',
        rawName: broker.rawName,
        target: `lower bound of the 95 % interval ≥ ${ratioMin}`,
        note: `${text}; ${messages.toLocaleString('en')} messages a run, two processes; ${broker.note}`,
      },
      ours,
      theirs,
      (ratio) => (low ?? ratio) >= ratioMin,
    ),
    compared(
      {
        name: `${broker.title}: end to end, beside ${library.name}`,
        unit: 'messages/s',
        rawName: library.name,
        target: 'ahead',
        note: `${intervalOf(ours, libraries).text}; ${libraryMessages.toLocaleString('en')} messages a run; ${library.note}`,
      },
      ours,
      libraries,
      (ratio) => ratio > 1,
    ),
  ]
}

async function latencies(broker: Broker, runs: Runs, { pairs }: BenchOptions): Promise<readonly Row[]> {
  const taken: Record<Side, number[][]> = { sluice: [], raw: [] }
  for (let pair = 0; pair < pairs; pair++) {
    for (const side of inTurns(pair)) taken[side].push([...(await runs.pair(side, pacedCount, 'paced')).micros.slice(pacedCount / 10)])
  }
  return ([0.5, 0.99] as const).map((share) => {
    const name = share === 0.5 ? 'p50' : 'p99'
    const ms = (side: Side): number[] => taken[side].map((micros) => percentile(micros, share) / 1000)
    const ours = ms('sluice')
    const theirs = ms('raw')
    const slowerMs = median(ours.map((value, n) => value - (theirs[n] ?? Number.NaN)))
    return compared(
      {
        name: `${broker.title}: latency at ${pacedPerSecond.toLocaleString('en')}/s, ${name}`,
        unit: 'ms',
        rawName: broker.rawName,
        target: `≤ ${slowerMsMax[name]} ms more`,
        note: `${slowerMs >= 0 ? '+' : ''}${slowerMs.toFixed(3)} ms, median of ${pairs} pairs`,
      },
      ours,
      theirs,
      () => slowerMs <= slowerMsMax[name],
    )
  })
}

/** What one call a message costs, where the calls that come together are sent together, beside the call for many. */
async function oneByOne(broker: Broker, runs: Runs, { pairs, count }: BenchOptions): Promise<Row> {
  const messages = messagesOf(broker, count)
  const each: number[] = []
  const batches: number[] = []
  for (let pair = 0; pair < pairs; pair++) {
    batches.push(await runs.publishing(messages, 'batches'))
    each.push(await runs.publishing(messages, 'each'))
  }
  return compared(
    {
      name: `${broker.title}: one publish a message, 1,000 outstanding`,
      unit: 'messages/s',
      rawName: 'publishMany',
      target: `≥ ${eachRatioMin} of publishMany`,
      note: `${intervalOf(each, batches).text}; a producer alone`,
    },
    each,
    batches,
    (ratio) => ratio >= eachRatioMin,
  )
}

/** All rows of one broker; `more`: those that only it has. */
export function brokerBenchmark(broker: Broker, more?: (runs: Runs, options: BenchOptions) => Promise<readonly Row[]>): Benchmark {
  return async (options) => {
    installClients()
    return withServers([broker.server], async (running) => {
      const server = running[broker.server]
      if (server === undefined) throw new Error(`no ${broker.server}`)
      const runs = new Runs(broker, server)
      return [
        ...(await throughput(broker, runs, options)),
        ...(await latencies(broker, runs, options)),
        await oneByOne(broker, runs, options),
        ...((await more?.(runs, options)) ?? []),
      ]
    })
  }
}
