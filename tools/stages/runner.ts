import { basename, relative, resolve } from 'node:path'
import { performance } from 'node:perf_hooks'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { inspect } from 'node:util'
import type { Suite } from './suites.ts'

/** How many tests of a suite ended how. A test that failed only because of its subtests is not counted beside them. */
export interface Counts {
  passed: number
  failed: number
  skipped: number
}

/** What {@link runFiles} found. */
export interface RunResult {
  readonly bySuite: ReadonlyMap<Suite, Counts>
  readonly durationMs: number
  /** The budget was spent before the last file ended. */
  readonly overBudget: boolean
  /** Tests that were skipped because the machine lacks something (a skip reason that begins with "needs "). */
  readonly skippedForNeeds: readonly string[]
}

/** How to run test files. */
export interface RunFilesOptions {
  readonly filesAtOnce: number
  readonly budgetMs: number
  /** Print every test, not only what failed or was skipped. */
  readonly verbose: boolean
  readonly suiteOf: (file: string) => Suite
}

// What a file printed is shown when one of its tests fails; more than this is cut from its start.
const outputCharactersMax = 4000

// A test that hangs without a time-out of its own is named; what then keeps its process alive ends with the stage.
const testTimeoutMs = 170_000

// Test files and the processes that they start load the same sources: 0.4 s of the processor each time, 0.1 s from the cache.
process.env['NODE_COMPILE_CACHE'] ??= resolve('.cache/compile')

/** Runs test files, each in its own process, and counts their tests by suite. */
export async function runFiles(files: readonly string[], options: RunFilesOptions): Promise<RunResult> {
  const started = performance.now()
  const abort = new AbortController()
  let overBudget = false
  const timer = setTimeout(() => {
    overBudget = true
    abort.abort()
  }, options.budgetMs)
  const bySuite = new Map<Suite, Counts>()
  const skippedForNeeds: string[] = []
  const outputs = new Map<string, string>()
  const countsOf = (file: string): Counts => {
    const suite = options.suiteOf(file)
    const counts = bySuite.get(suite) ?? { passed: 0, failed: 0, skipped: 0 }
    bySuite.set(suite, counts)
    return counts
  }
  // Where the run began; a test may be defined elsewhere (a suite that several transports run).
  const pathOf = (event: { readonly file?: string | undefined; readonly entryFile?: string | undefined }): string =>
    relative(process.cwd(), event.entryFile ?? event.file ?? files[0] ?? '')

  const stream = run({ files: [...files], concurrency: options.filesAtOnce, isolation: 'process', signal: abort.signal, timeout: testTimeoutMs })
  for (const kind of ['test:stdout', 'test:stderr'] as const) {
    stream.on(kind, (event) => outputs.set(pathOf(event), ((outputs.get(pathOf(event)) ?? '') + event.message).slice(-outputCharactersMax)))
  }
  stream.on('test:pass', (event) => {
    const file = pathOf(event)
    if (event.details.type === 'suite') return
    if (event.nesting === 0 && event.name.endsWith('.test.ts') && basename(event.name) === basename(file)) {
      countsOf(file).failed++
      console.log(`FAILED  ${file}: holds no test`)
    } else if (event.skip === undefined && event.todo === undefined) countsOf(file).passed++
    else {
      countsOf(file).skipped++
      const reason = typeof event.skip === 'string' ? event.skip : ''
      if (!options.verbose) console.log(`skipped ${file}: ${event.name}${reason === '' ? '' : ` (${reason})`}`)
      if (reason.startsWith('needs ')) skippedForNeeds.push(`${file}: ${event.name} (${reason})`)
    }
  })
  stream.on('test:fail', (event) => {
    const file = pathOf(event)
    const error: Error & { failureType?: string } = event.details.error
    if (error.failureType === 'subtestsFailed') return
    countsOf(file).failed++
    if (options.verbose) return
    const line = event.file === event.entryFile ? `:${event.line ?? 0}` : ''
    console.log(`FAILED  ${file}${line}: ${event.name}\n${inspect(error.cause ?? error).replace(/^/gm, '        ')}`)
    const printed = outputs.get(file)?.trimEnd()
    if (printed !== undefined && printed !== '') console.log(`        it printed:\n${printed.replace(/^/gm, '        | ')}`)
    outputs.delete(file)
  })
  if (options.verbose) stream.compose(new spec()).pipe(process.stdout)
  await new Promise<void>((resolve, reject) => {
    stream.on('end', resolve).on('error', reject)
    stream.resume()
  })
  clearTimeout(timer)
  return { bySuite, durationMs: performance.now() - started, overBudget, skippedForNeeds }
}
