import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** Root of the repository. */
export const root: string = resolve(import.meta.dirname, '../..')

/** What of a package.json the tools here read. */
export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly description?: string
  readonly license?: string
  readonly type?: string
  readonly keywords?: readonly string[]
  readonly sideEffects?: boolean
  readonly engines?: Readonly<Record<string, string>>
  readonly exports?: Readonly<Record<string, string>>
  readonly bin?: Readonly<Record<string, string>>
  readonly files?: readonly string[]
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** A published package of the workspace. */
export interface Package {
  /** Absolute. */
  readonly folder: string
  readonly manifest: Manifest
}

/** Reads a package.json. */
export function readManifest(file: string): Manifest {
  const manifest: Manifest = JSON.parse(readFileSync(file, 'utf8'))
  return manifest
}

/** All packages that are published, each after the siblings it depends on. */
export function publishedPackages(from: string = root): readonly Package[] {
  const all = globSync('packages/{*,transports/*,stores/*}/package.json', { cwd: from })
    .sort()
    .map((file) => ({ folder: dirname(join(from, file)), manifest: readManifest(join(from, file)) }))
    .filter(({ manifest }) => manifest.private !== true && manifest.exports !== undefined)
  const ordered: Package[] = []
  const visit = (item: Package): void => {
    if (ordered.includes(item)) return
    for (const name of siblingsOf(item, all)) {
      const sibling = all.find(({ manifest }) => manifest.name === name)
      if (sibling !== undefined) visit(sibling)
    }
    ordered.push(item)
  }
  for (const item of all) visit(item)
  return ordered
}

/** Names of the workspace's own packages that a package depends on. */
export function siblingsOf({ manifest }: Package, all: readonly Package[]): readonly string[] {
  const named = new Set(all.map((other) => other.manifest.name))
  return Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies }).filter((name) => named.has(name))
}

/** `./src/a/b.ts` → `./dist/a/b.js` or `./dist/a/b.d.ts`. */
export function builtPath(source: string, extension: '.js' | '.d.ts'): string {
  if (!/^\.\/src\/.*\.ts$/.test(source)) throw new Error(`an export leads to ${source}, not to a source file ./src/….ts`)
  return source.replace('./src/', './dist/').replace(/\.ts$/, extension)
}

/** Whether a file that the manifest names is there. */
export function hasFile({ folder }: Package, file: string): boolean {
  return existsSync(join(folder, file))
}
