import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** The peers' clients are outside the workspace: a lockfile of their own, brought when they are first measured. Throws why they cannot be. */
export function installClients(): void {
  const folder = import.meta.dirname
  const installed = resolve(folder, 'node_modules/.package-lock.json')
  const versions = (file: string): string => {
    const { packages }: { packages: Record<string, { version?: string; optional?: boolean }> } = JSON.parse(readFileSync(file, 'utf8'))
    return JSON.stringify(Object.entries(packages).flatMap(([path, { version, optional }]) => (path === '' || optional ? [] : [[path, version]])))
  }
  if (existsSync(installed) && versions(installed) === versions(resolve(folder, 'package-lock.json'))) return
  const { status, stderr } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: folder,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error(`npm ci in bench/peers failed: ${stderr.trim()}`)
}
