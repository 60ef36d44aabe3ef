import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, parse } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkName } from '../../contract/index.ts'
import { SluiceError } from '../../errors/index.ts'
import type { ConnectOptions } from './api.ts'

/** Where things are read from; given by tests. */
export interface SettingsSources {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Folder where the search for the root begins. */
  readonly folder: string
}

/** What of `connect`'s options also comes from the environment and the file. */
export interface Settings {
  readonly service: string
  readonly url: string
  /** Where `url` was found, for the line at start. */
  readonly urlFrom: 'option' | 'environment' | 'file' | 'default'
  readonly routes: Readonly<Record<string, string>>
}

/** Name of the settings file at the root of the workspace or repository. */
export const settingsFile = 'sluice.json'

/** Option > environment > `sluice.json` > default, for each setting. @throws SluiceError INVALID_OPTION, INVALID_NAME. */
export function readSettings(options: Pick<ConnectOptions, 'service' | 'url' | 'routes'>, sources: SettingsSources): Settings {
  const root = findRoot(sources.folder)
  const file = readFile(join(root, settingsFile))
  const { env } = sources
  const service = checkName('service', options.service ?? nonEmpty(env.SLUICE_SERVICE) ?? file.service ?? packageName(sources.folder))
  const routes = options.routes ?? parseRoutes(nonEmpty(env.SLUICE_ROUTES)) ?? file.routes ?? {}
  const fromEnv = nonEmpty(env.SLUICE_URL)
  if (options.url !== undefined) return { service, routes, url: checkUrl(options.url, 'connect({ url })'), urlFrom: 'option' }
  if (fromEnv !== undefined) return { service, routes, url: checkUrl(fromEnv, 'SLUICE_URL'), urlFrom: 'environment' }
  if (file.url !== undefined) return { service, routes, url: checkUrl(file.url, settingsFile), urlFrom: 'file' }
  return { service, routes, url: pathToFileURL(join(root, '.sluice', 'bus.db')).href, urlFrom: 'default' }
}

/**
 * The folder that all services of a system share: of the nearest package.json with `workspaces` or pnpm-workspace.yaml,
 * else of the repository, else of the nearest package.json, else `folder` itself.
 */
export function findRoot(folder: string): string {
  let repository: string | undefined
  let nearestPackage: string | undefined
  const { root } = parse(folder)
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, 'pnpm-workspace.yaml')) || hasWorkspaces(join(at, 'package.json'))) return at
    if (existsSync(join(at, '.git'))) {
      repository = at
      break
    }
    if (nearestPackage === undefined && existsSync(join(at, 'package.json'))) nearestPackage = at
    if (at === root) break
  }
  return repository ?? nearestPackage ?? folder
}

function hasWorkspaces(path: string): boolean {
  return readJson(path)?.workspaces !== undefined
}

function packageName(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    const name = readJson(join(at, 'package.json'))?.name
    if (typeof name === 'string' && name !== '') return name.replace(/^@/, '').replaceAll('/', '.')
    if (at === dirname(at)) break
  }
  throw new SluiceError('INVALID_OPTION', 'the service has no name', { fix: "Pass connect({ service: 'order' }), or set SLUICE_SERVICE" })
}

function readJson(path: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined
  } catch {
    return undefined
  }
}

function readFile(path: string): { readonly service?: string; readonly url?: string; readonly routes?: Readonly<Record<string, string>> } {
  if (!existsSync(path)) return {}
  const value = readJson(path)
  if (value === undefined) throw new SluiceError('INVALID_OPTION', `${path} is not a JSON object`)
  for (const [name, part] of Object.entries(value)) {
    const right = name === 'routes' ? isTextRecord(part) : (name === 'service' || name === 'url' || name === '$schema') && typeof part === 'string'
    if (!right)
      throw new SluiceError('INVALID_OPTION', `${path}: ${JSON.stringify(name)} is not a setting, or has a wrong type`, {
        fix: 'The settings are service, url (texts) and routes (texts by channel)',
      })
  }
  return value
}

function isTextRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.values(value).every((part) => typeof part === 'string')
}

function parseRoutes(text: string | undefined): Readonly<Record<string, string>> | undefined {
  if (text === undefined) return undefined
  const routes: Record<string, string> = {}
  for (const part of text.split(',')) {
    const at = part.indexOf('=')
    if (at <= 0)
      throw new SluiceError('INVALID_OPTION', 'SLUICE_ROUTES is not a list of pattern=url', {
        fix: 'Write e.g. SLUICE_ROUTES=shop.audit=kafka://host,shop.**=redis://host',
      })
    routes[part.slice(0, at).trim()] = part.slice(at + 1).trim()
  }
  return routes
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text
}

function checkUrl(url: unknown, where: string): string {
  if (typeof url === 'string' && /^[a-z][a-z0-9+.-]*:/i.test(url)) return url
  throw new SluiceError('INVALID_OPTION', `${where} is not a URL`, { fix: 'Write a scheme first, e.g. file:./bus.db or memory:' })
}
