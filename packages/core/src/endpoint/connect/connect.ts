import { newId, systemClock } from '../../clock/index.ts'
import { redactUrl, SluiceError, toError } from '../../errors/index.ts'
import { memoryTransport, type Transport, type TransportContext, type TransportFactory, type TransportReport } from '../../transport/index.ts'
import type { Bus } from '../bus/api.ts'
import { checkRetryDefaults, SluiceBus } from '../bus/bus.ts'
import { Routes } from '../bus/routes.ts'
import { Log, stderrLogger } from '../logging/log.ts'
import { checkOptionNames, optionNames } from '../options/option-names.ts'
import type { Connect, ConnectOptions, LimitOptions } from './api.ts'
import { RouteTable } from './route-table.ts'
import { readSettings } from './settings.ts'
import { TransportRegistry } from './transport-registry.ts'

/**
 * Makes a `connect` that knows these transports. Package `sluice` makes the one that users import; a program that needs
 * only some transports can make its own. `memory:` is always known.
 */
export function createConnect(builtIn: { readonly transports: readonly TransportFactory[] }): Connect {
  return (options = {}) => open(options, builtIn.transports)
}

/** Opens a bus over `memory:`, or over a transport given in `transports`. Users import `connect` from `sluice`, which knows `file:` and the others, too. */
export const connect: Connect = createConnect({ transports: [] })

async function open(options: ConnectOptions, builtIn: readonly TransportFactory[]): Promise<Bus> {
  checkOptionNames('connect', options, optionNames.connect)
  checkLogger(options.logger)
  checkCompression(options.compression)
  const settings = readSettings(options, { env: process.env, folder: process.cwd() })
  const log = new Log(options.logger === false ? undefined : (options.logger ?? stderrLogger))
  const { clock = systemClock, random = Math.random, limits = {}, holdMaxMs = 30_000 } = options
  checkRetryDefaults(options.retry)
  checkLimits(limits)
  if (!(holdMaxMs >= 0 && holdMaxMs <= 3_600_000))
    throw new SluiceError('INVALID_OPTION', 'holdMaxMs is not a number of milliseconds up to an hour', {
      fix: 'Leave it out for 30 s',
      details: { option: 'holdMaxMs' },
    })
  const table = new RouteTable(settings.url, settings.routes)
  const registry = new TransportRegistry([...(options.transports ?? []), ...builtIn, memoryTransport])
  const instanceId = newId(clock.nowMs())
  const report = (event: TransportReport): void =>
    log[event.level](event.message, { ...event.details, ...(event.error === undefined ? {} : { error: event.error }) })
  const context: TransportContext = {
    clock,
    service: settings.service,
    instanceId,
    report,
    options: { ...options.transportOptions, ...(options.sqlite === undefined ? {} : { sqlite: options.sqlite }) },
  }

  const transports = await openAll(registry, table.urls, context)
  for (const [url, { shownUrl, transport }] of transports) {
    log.info('connected', {
      service: settings.service,
      url: shownUrl,
      transport: transport.facts.name,
      ...(url === settings.url ? { from: settings.urlFrom } : {}),
    })
  }
  const routes = new Routes({ instanceId, table, transports, clock, random, limits })
  return new SluiceBus({
    ...{ service: settings.service, instanceId, routes, log, clock, random, limits, holdMaxMs, report },
    retry: options.retry,
    compression: options.compression,
    codecs: options.codecs ?? [],
  })
}

/** All or none: what was opened before one failed is closed again. */
async function openAll(
  registry: TransportRegistry,
  urls: readonly string[],
  context: TransportContext,
): Promise<Map<string, { readonly transport: Transport; readonly shownUrl: string }>> {
  const outcomes = await Promise.allSettled(urls.map((url) => registry.open(url, context)))
  const opened = new Map<string, { readonly transport: Transport; readonly shownUrl: string }>()
  let failure: { readonly reason: unknown } | undefined
  for (const [index, outcome] of outcomes.entries()) {
    const url = urls[index] as string
    if (outcome.status === 'fulfilled') opened.set(url, { transport: outcome.value, shownUrl: redactUrl(url) })
    else failure ??= outcome
  }
  if (failure === undefined) return opened
  await Promise.allSettled([...opened.values()].map(({ transport }) => transport.close()))
  throw failure.reason instanceof SluiceError
    ? failure.reason
    : new SluiceError('TRANSPORT_FAILED', 'a transport could not be opened', { cause: toError(failure.reason) })
}

function checkLogger(logger: unknown): void {
  if (logger === undefined || logger === false) return
  const given = (typeof logger === 'object' || typeof logger === 'function') && logger !== null ? (logger as Readonly<Record<string, unknown>>) : {}
  const missing = ['debug', 'info', 'warn', 'error'].filter((level) => typeof given[level] !== 'function')
  if (missing.length === 0) return
  throw new SluiceError('INVALID_OPTION', `logger has no method ${missing.join(', ')}`, {
    fix: 'Pass pino(), a winston logger or console; false logs nothing; leave it out for lines on stderr',
    details: { option: 'logger' },
  })
}

function checkCompression(compression: ConnectOptions['compression']): void {
  if (compression === undefined) return
  checkOptionNames('compression', compression, optionNames.compression)
  const { encoding, thresholdBytes } = compression
  if (!['gzip', 'br', 'zstd'].includes(encoding)) {
    throw new SluiceError('INVALID_OPTION', 'compression.encoding is not one that is known', {
      fix: "Write 'gzip', 'br' or 'zstd'",
      details: { option: 'compression.encoding' },
    })
  }
  if (thresholdBytes !== undefined && !(thresholdBytes >= 0)) {
    throw new SluiceError('INVALID_OPTION', 'compression.thresholdBytes is not a number of bytes', {
      fix: 'Leave it out (1,024), or give 0 or more',
      details: { option: 'compression.thresholdBytes' },
    })
  }
}

function checkLimits(limits: LimitOptions): void {
  checkOptionNames('limits', limits, optionNames.limits)
  for (const name of ['messageBytesMax', 'publishBufferCountMax', 'publishBufferBytesMax', 'windowCountMax', 'windowBytesMax', 'pendingRequestsMax'] as const) {
    const value = limits[name]
    if (value !== undefined && !(Number.isSafeInteger(value) && value > 0))
      throw new SluiceError('INVALID_OPTION', `limits.${name} is not a positive whole number`, {
        fix: 'Leave it out for its default',
        details: { option: `limits.${name}` },
      })
  }
}
