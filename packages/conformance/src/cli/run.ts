import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { isSluiceError, newId, systemClock, type Transport, type TransportFacts } from '@sluice/core/transport'
import { ownTransaction } from '../cases/sending.ts'
import { type CaseResult, resultsVariable } from '../report/results.ts'
import { nothingLeft, orderVariable, type SuiteOrder } from './order.ts'
import { type Arguments, loadFactory, newPlace, type Plan, readArguments, usage } from './plan.ts'

/** 0: all passed, or was ruled out by the facts. 1: a case failed. 2: called in a wrong way. 3: the transport could not be opened. */
export type ExitCode = 0 | 1 | 2 | 3

/** Where the command's output goes. */
export interface Output {
  out(line: string): void
  err(line: string): void
}

/** One case of `--json`. */
interface CaseReport extends Omit<CaseResult, 'transport' | 'facts'> {
  readonly error?: string
}

type Report = (each: CaseReport) => void

/** Runs one command line (without `node` and the program). Resolves to the exit code. */
export async function runCommand(argv: readonly string[], output: Output): Promise<ExitCode> {
  let opened = false
  try {
    const given = readArguments(argv)
    if (given === undefined) {
      output.out(usage)
      return 0
    }
    const { order, facts } = await preflight(given.plan)
    opened = true
    return await judge(given, order, facts, output)
  } catch (error) {
    output.err(isSluiceError(error) ? error.message : inspect(error))
    return isSluiceError(error, 'INVALID_OPTION') && !opened ? 2 : 3
  }
}

/** Opens the transport once, to learn its facts, and to fail here with one clear error and not in every case. */
async function preflight(plan: Plan): Promise<{ readonly order: SuiteOrder; readonly facts: TransportFacts }> {
  const factory = await loadFactory(plan)
  const { url, dispose } = await newPlace(plan, factory)
  let transport: Transport | undefined
  try {
    const context = { clock: systemClock, service: 'conformance', instanceId: newId(), report() {}, options: plan.options }
    transport = await factory.open(url, context)
    const { facts } = transport
    const order: SuiteOrder = {
      ...plan,
      name: facts.name,
      oneProcess: plan.oneProcess || facts.confirm === 'process',
      crashes: 'crash' in transport && typeof transport.crash === 'function',
      skip: facts.transaction === 'none' ? {} : { [ownTransaction]: 'the command line cannot begin a transaction of the application; a test file can' },
    }
    return { order, facts }
  } finally {
    await transport?.close()
    await dispose()
  }
}

async function judge({ only, json }: Arguments, order: SuiteOrder, facts: TransportFacts, output: Output): Promise<ExitCode> {
  const cases: CaseReport[] = []
  const tell: Report = (each) => {
    cases.push(each)
    if (!json) for (const line of lines(each)) output.out(line)
  }
  if (!json) output.out(`${facts.name} ${facts.serverVersion}, Node ${process.versions.node}`)
  await runCases(order, only, tell)
  const counts = { pass: 0, cannot: 0, skipped: 0, fail: 0 }
  for (const { outcome } of cases) counts[outcome]++
  if (json) output.out(JSON.stringify({ version: 1, transport: facts.name, node: process.versions.node, facts, counts, cases }))
  else {
    const { pass, cannot, skipped, fail } = counts
    output.out(`\n${pass} passed, ${cannot} cannot (refusal proven), ${skipped} left out, ${fail} failed`)
  }
  if (cases.length === 0) output.err(`no case has ${JSON.stringify(only)} in its name`)
  return counts.fail > 0 ? 1 : cases.length === 0 ? 2 : 0
}

function lines({ subject, name, outcome, reason, error }: CaseReport): string[] {
  const mark = { pass: 'ok      ', cannot: 'cannot  ', skipped: 'left out', fail: 'FAILED  ' }[outcome]
  const line = `${mark} ${subject}: ${name}${reason === undefined ? '' : ` (${reason})`}`
  return error === undefined ? [line] : [line, error.replace(/^/gm, '        ')]
}

/** Runs the suite in a process of its own, and tells each case as it ends. */
async function runCases(order: SuiteOrder, only: string | undefined, tell: Report): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-conformance-results-'))
  const abort = new AbortController()
  const interrupt = (): void => abort.abort()
  process.once('SIGINT', interrupt)
  process.env[orderVariable] = JSON.stringify(order)
  process.env[resultsVariable] = join(folder, 'results.jsonl')
  try {
    const file = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './suite-process.ts' : './suite-process.js', import.meta.url))
    const pattern = only === undefined ? {} : { testNamePatterns: [literally(only), literally(nothingLeft)] }
    const stream = run({ files: [file], isolation: 'process', signal: abort.signal, ...pattern })
    const found = recorded(join(folder, 'results.jsonl'))
    stream.on('test:pass', ({ name, details }) => {
      if (details.type === 'suite') return
      const result = found(name)
      if (result !== undefined) tell(result)
    })
    stream.on('test:fail', ({ name, details }) => {
      const error: Error & { readonly failureType?: string } = details.error
      if (error.failureType === 'subtestsFailed') return
      const [subject = '', ...rest] = name.split(': ')
      tell({ ...(found(name) ?? { subject, name: rest.join(': ') }), outcome: 'fail', error: told(error.cause ?? error) })
    })
    await new Promise<void>((resolve, reject) => {
      stream.on('end', resolve).on('error', reject)
      stream.resume()
    })
  } finally {
    process.removeListener('SIGINT', interrupt)
    await rm(folder, { recursive: true, force: true })
  }
}

// The message of a failed assertion shows both sides already.
function told(error: unknown): string {
  return error instanceof Error && error.stack !== undefined ? error.stack : inspect(error)
}

function literally(text: string): RegExp {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
}

/** Finds the result of a case by its test's name; the cases write theirs down before their tests end. */
function recorded(path: string): (test: string) => CaseReport | undefined {
  let seen = ''
  const byTest = new Map<string, CaseReport>()
  return (test) => {
    const text = byTest.has(test) ? seen : readIfThere(path)
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    for (const line of whole.slice(seen.length).split('\n')) {
      if (line === '') continue
      const { transport: _, facts: __, ...result } = JSON.parse(line) as CaseResult
      byTest.set(`${result.subject}: ${result.name}`, result)
    }
    seen = whole
    return byTest.get(test)
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
