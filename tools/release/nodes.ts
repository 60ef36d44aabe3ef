/** The Nodes that the tarball trial runs on. Alone (`node tools/release/nodes.ts`) it fetches them into .cache/nodes. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readManifest, root } from './packages.ts'

/** A Node executable. */
export interface NodeProgram {
  readonly version: string
  readonly file: string
}

/** The first version of each line that `engines` of package sluice admits, and the workspace's own, oldest first. */
export function supportedVersions(): readonly string[] {
  const engines = readManifest(join(root, 'packages/sluice/package.json')).engines?.node ?? ''
  const lowest = [...engines.matchAll(/(?:\^|>=)(\d+\.\d+\.\d+)/g)].map((match) => match[1] ?? '')
  if (lowest.length === 0) throw new Error(`engines.node of package sluice admits nothing that can be read: ${engines}`)
  const own = readManifest(join(root, 'package.json')).devDependencies?.node ?? ''
  return [...new Set([...lowest, own])]
}

/** Fetches one version from the npm registry (packages `node-<system>-<processor>`, no install script), once. */
export function fetchNode(version: string): NodeProgram {
  const system = process.platform === 'win32' ? 'win' : process.platform
  const name = `node-${system}-${process.arch}`
  const folder = join(root, '.cache', 'nodes', version)
  const file = join(folder, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
  if (!existsSync(file)) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
    const { status, stderr } = spawnSync('npm', ['install', '--no-save', '--ignore-scripts', '--loglevel=error', `${name}@${version}`], {
      cwd: folder,
      encoding: 'utf8',
    })
    if (status !== 0) throw new Error(`cannot fetch Node ${version}: ${stderr}`)
  }
  const { stdout } = spawnSync(file, ['--version'], { encoding: 'utf8' })
  if (stdout.trim() !== `v${version}`) throw new Error(`${file} is ${stdout.trim() || 'no program'}, not v${version}`)
  return { version, file }
}

if (import.meta.main) for (const version of supportedVersions()) console.log(`Node ${fetchNode(version).version} is there`)
