/** The shop's entry: `npm start`. See {@link usage}. */
import { isSluiceError } from 'sluice'
import { type Options, readOptions, UsageError, usage } from './options.ts'
import { invoicesTotal } from './rules/input.ts'
import { compare } from './supervisor/compare.ts'
import { runOnce } from './supervisor/once.ts'
import { printComparison, printOnce } from './supervisor/print.ts'
import { Terminal } from './supervisor/terminal.ts'
import { textOf } from './text/index.ts'

const compareOrders = 200

async function main(options: Options): Promise<number> {
  const terminal = new Terminal(textOf(options.language))
  const interrupted = new AbortController()
  // The first Ctrl-C asks to drain, the second ends at once (the services see their supervisor go, and end).
  process.on('SIGINT', () => (interrupted.signal.aborted ? process.exit(130) : interrupted.abort()))
  process.on('SIGTERM', () => interrupted.abort())
  terminal.say('starting')
  if (options.once) {
    if (options.chaos) terminal.note(`chaos with --seed ${options.seed}`)
    const result = await runOnce({
      orders: options.orders ?? invoicesTotal,
      busUrl: options.busUrl,
      chaosSeed: options.chaos ? options.seed : undefined,
      keep: options.keep,
      terminal,
      signal: interrupted.signal,
    })
    if (options.json) console.log(JSON.stringify(result))
    else printOnce(result)
    return result.balanced ? 0 : 1
  }
  if (options.compare) {
    const comparison = await compare(options.orders ?? compareOrders, terminal, interrupted.signal)
    if (options.json) console.log(JSON.stringify(comparison))
    else printComparison(comparison)
    return comparison.balanced ? 0 : 1
  }
  const { runPage } = await import('./page/run.ts')
  return runPage(options, terminal, interrupted.signal)
}

try {
  const options = readOptions(process.argv.slice(2), process.env)
  if (options === undefined) console.log(usage)
  else process.exitCode = await main(options)
} catch (error) {
  const wrongUsage = error instanceof UsageError
  console.error(wrongUsage ? `${error.message}\n\n${usage}` : isSluiceError(error) ? error.message : error)
  process.exitCode = wrongUsage ? 2 : 1
}
