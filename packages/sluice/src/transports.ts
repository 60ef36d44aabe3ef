import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { memoryTransport, SluiceError, type TransportFactory } from '@sluice/core/transport'

/** What every transport package exports: its factory, under this one name. */
export interface TransportModule {
  readonly transport: TransportFactory
}

/** Loads a package by its name; rejects as `import()` does. */
export type LoadPackage = (name: string) => Promise<object>

/** URL scheme → the package that carries it. Only `memory` and `file` come with `sluice`; the others are installed beside it, once they exist. */
export const transportPackages: Readonly<Record<string, string>> = {
  file: '@sluice/embedded',
  amqp: '@sluice/rabbitmq',
  amqps: '@sluice/rabbitmq',
  kafka: '@sluice/kafka',
  'kafka+ssl': '@sluice/kafka',
  redis: '@sluice/redis',
  rediss: '@sluice/redis',
  'redis+pubsub': '@sluice/redis',
  'rediss+pubsub': '@sluice/redis',
  rocketmq: '@sluice/rocketmq',
  nats: '@sluice/nats',
  sqs: '@sluice/sqs',
  postgres: '@sluice/postgres',
  postgresql: '@sluice/postgres',
}

/**
 * Packages of {@link transportPackages} that exist. The others have their names and schemes reserved: nobody is told to
 * install a name that somebody else could have taken.
 */
export const publishedPackages: ReadonlySet<string> = new Set(['@sluice/embedded', '@sluice/kafka', '@sluice/rabbitmq', '@sluice/redis'])

/** The memory transport, and one factory a package that loads it when a URL first asks for it. */
export function transportTable(load: LoadPackage = loadPackage): readonly TransportFactory[] {
  const names = new Set(Object.values(transportPackages))
  return [memoryTransport, ...[...names].map((name) => lazyTransport(name, load))]
}

function lazyTransport(name: string, load: LoadPackage): TransportFactory {
  const schemes = Object.keys(transportPackages).filter((scheme) => transportPackages[scheme] === name)
  return {
    schemes,
    async open(url, context) {
      const loaded = await loadTransport(name, schemes, load)
      return loaded.open(url, context)
    },
    async maintenance() {
      return (await loadTransport(name, schemes, load)).maintenance?.()
    },
  }
}

async function loadTransport(name: string, schemes: readonly string[], load: LoadPackage): Promise<TransportFactory> {
  const urls = schemes.map((scheme) => `${scheme}:`).join(' and ')
  let loaded: object
  try {
    loaded = await load(name)
  } catch (cause) {
    if (!isMissing(cause, name))
      throw new SluiceError('UNKNOWN_TRANSPORT', `${name}, the transport for ${urls} URLs, is installed but cannot be loaded`, {
        cause,
        details: { package: name },
      })
    throw new SluiceError('UNKNOWN_TRANSPORT', `the transport for ${urls} URLs is not installed`, {
      cause,
      fix: publishedPackages.has(name)
        ? `Run: npm install ${name}`
        : `There is none yet in this version of Sluice (${name} is reserved for it). What is here: ${hereSchemes()}, and what you pass in connect({ transports })`,
      details: { package: name },
    })
  }
  if (!isTransportModule(loaded))
    throw new SluiceError('UNKNOWN_TRANSPORT', `${name} exports no \`transport\`: it is of another version of Sluice, or no transport`, {
      details: { package: name },
    })
  return loaded.transport
}

function hereSchemes(): string {
  const schemes = Object.keys(transportPackages).filter((scheme) => publishedPackages.has(transportPackages[scheme] ?? ''))
  return ['memory', ...schemes].map((scheme) => `${scheme}:`).join(' ')
}

function isTransportModule(value: object): value is TransportModule {
  return 'transport' in value && typeof value.transport === 'object' && value.transport !== null && 'open' in value.transport
}

// The package itself is missing; a missing dependency of it is another fault and must not be read as this one.
function isMissing(error: unknown, name: string): boolean {
  if (!(error instanceof Error) || !('code' in error)) return false
  return (error.code === 'ERR_MODULE_NOT_FOUND' || error.code === 'MODULE_NOT_FOUND') && error.message.includes(`'${name}'`)
}

// First as a neighbour of this package, then as a dependency of the application: strict installers (pnpm, Yarn PnP) hide
// the application's packages from its dependencies.
async function loadPackage(name: string): Promise<object> {
  try {
    return (await import(name)) as object
  } catch (error) {
    if (!isMissing(error, name)) throw error
    const fromApplication = createRequire(join(process.cwd(), 'package.json'))
    return (await import(pathToFileURL(fromApplication.resolve(name)).href)) as object
  }
}
