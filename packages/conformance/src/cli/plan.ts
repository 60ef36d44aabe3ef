import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { newId, SluiceError, type TransportFactory, toError } from '@sluice/core/transport'

/** What the command was asked to do; passed as JSON to the process that runs the cases. */
export interface Plan {
  /** URL of the module, as for `import`. */
  readonly module: string
  /** Its export that is the factory. */
  readonly export: string
  /** With `{place}` or `{folder}` in it; undefined: the transport's first scheme, and a folder. */
  readonly url?: string
  /** `transportOptions` of `connect`. */
  readonly options: Readonly<Record<string, unknown>>
  readonly concurrency: number
  /** Leave the cases with several processes out. */
  readonly oneProcess: boolean
}

/** A command line, read. */
export interface Arguments {
  readonly plan: Plan
  /** Text in the names of the cases that are to run; undefined: all. */
  readonly only: string | undefined
  readonly json: boolean
}

export const usage = `Usage: sluice-conformance --transport <module> [options]

Judges a transport of Sluice: every case of the conformance suite, or the reason why it does not apply.

  --transport M    file (./my-transport.ts) or installed package that exports a transport factory
  --export NAME    name of that export (default: transport)
  --url URL        where the transport finds its server. Each case needs a place that nothing else uses:
                   {place} becomes a name, {folder} an empty temporary folder, for each case anew
                   (default: the transport's first scheme and {folder}: "folder:{folder}")
  --options JSON   transportOptions, e.g. '{"folder":{"leaseMs":1000}}'; a short lease makes deaths quick to wait for
  --one-process    one process at a time uses a place: leave the cases with several processes out
  --only TEXT      only cases with this in their names, e.g. --only "sending:"
  --concurrency N  cases at once (default 4)
  --json           one JSON object on standard output: facts, and each case with its outcome and reason

  sluice-conformance --transport ./my-transport.ts
  sluice-conformance --transport @sluice/redis --url 'redis://localhost?prefix={place}:'

Exit: 0 all passed or were ruled out by the facts, 1 a case failed, 2 wrong arguments, 3 the transport could not be opened.`

/** Reads the command line; undefined: help was asked for. Throws INVALID_OPTION. */
export function readArguments(argv: readonly string[]): Arguments | undefined {
  const { transport, url, only, json, help, ...values } = parse(argv)
  if (help) return undefined
  if (transport === undefined) throw wrong('--transport is missing: the module to judge')
  if (url !== undefined && !/\{(place|folder)\}/.test(url))
    throw wrong('--url must hold {place} or {folder}: each case needs a place that nothing else uses, e.g. redis://localhost?prefix={place}:')
  const concurrency = Number(values.concurrency)
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > 64) throw wrong('--concurrency must be a whole number from 1 to 64')
  const plan: Plan = {
    module: moduleUrl(transport),
    export: values.export,
    options: optionsOf(values.options),
    concurrency,
    oneProcess: values['one-process'],
    ...(url === undefined ? {} : { url }),
  }
  return { plan, only, json }
}

function parse(argv: readonly string[]) {
  const options = {
    transport: { type: 'string' },
    export: { type: 'string', default: 'transport' },
    url: { type: 'string' },
    options: { type: 'string', default: '{}' },
    only: { type: 'string' },
    concurrency: { type: 'string', default: '4' },
    'one-process': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  } as const
  try {
    return parseArgs({ args: [...argv], options }).values
  } catch (error) {
    throw wrong(toError(error).message)
  }
}

function optionsOf(text: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = undefined
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('--options must be a JSON object')
  return value as Readonly<Record<string, unknown>>
}

// A path begins with a dot or is absolute, as in `import`; everything else is a package of the folder where one stands.
function moduleUrl(given: string): string {
  if (given.startsWith('file:')) return given
  if (/^\.{1,2}[/\\]/.test(given) || isAbsolute(given)) return pathToFileURL(resolve(given)).href
  try {
    return pathToFileURL(createRequire(join(process.cwd(), 'package.json')).resolve(given)).href
  } catch (cause) {
    throw new SluiceError('INVALID_OPTION', `--transport: there is no package ${given} here`, {
      cause,
      fix: 'Install it, or write a file as ./path/to/it.ts',
    })
  }
}

function wrong(what: string): SluiceError {
  return new SluiceError('INVALID_OPTION', what, { fix: 'sluice-conformance --help' })
}

/** Loads the factory that a plan names. Throws INVALID_OPTION with what is missing. */
export async function loadFactory({ module, export: name }: Plan): Promise<TransportFactory> {
  let loaded: Readonly<Record<string, unknown>>
  try {
    loaded = await import(module)
  } catch (cause) {
    throw new SluiceError('INVALID_OPTION', `the module of --transport cannot be loaded: ${toError(cause).message}`, { cause })
  }
  const factory = loaded[name]
  if (!isFactory(factory))
    throw new SluiceError('INVALID_OPTION', `its export "${name}" is no transport factory ({ schemes, open })`, {
      fix: `It exports: ${Object.keys(loaded).join(', ') || 'nothing'}; choose by --export`,
    })
  return factory
}

function isFactory(value: unknown): value is TransportFactory {
  if (typeof value !== 'object' || value === null || !('open' in value) || !('schemes' in value)) return false
  return typeof value.open === 'function' && Array.isArray(value.schemes) && value.schemes.length > 0
}

/** A place that nothing else uses. */
export async function newPlace(plan: Plan, factory: TransportFactory): Promise<{ readonly url: string; readonly dispose: () => Promise<void> }> {
  const pattern = plan.url ?? `${factory.schemes[0]}:{folder}`
  const named = pattern.replaceAll('{place}', () => `case-${newId()}`)
  if (!named.includes('{folder}')) return { url: named, dispose: async () => {} }
  const folder = await mkdtemp(join(tmpdir(), 'sluice-conformance-'))
  return { url: named.replaceAll('{folder}', () => folder), dispose: () => rm(folder, { recursive: true, force: true, maxRetries: 3 }) }
}
