/** `npm run pack`: builds, stages and packs every published package into .cache/tarballs, and lets publint and arethetypeswrong judge them. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { buildAll } from './build.ts'
import { builtPath, type Package, publishedPackages, root } from './packages.ts'

/** Where the tarballs go. */
export const tarballs: string = join(root, '.cache', 'tarballs')

/** The manifest that is published: exports lead to dist, siblings are pinned to this very version. */
export function publishedManifest(item: Package, all: readonly Package[]): Record<string, unknown> {
  const { manifest } = item
  const exports: Record<string, unknown> = {}
  for (const [subpath, source] of Object.entries(manifest.exports ?? {})) {
    exports[subpath] = { types: builtPath(source, '.d.ts'), default: builtPath(source, '.js') }
  }
  exports['./package.json'] = './package.json'
  const versions = new Map(all.map((other) => [other.manifest.name, other.manifest.version]))
  const pinned = Object.entries(manifest.dependencies ?? {}).map(([name, version]) => [name, versions.get(name) ?? version])
  const { name, version, description, license, keywords, sideEffects, engines, bin, peerDependencies, peerDependenciesMeta } = manifest
  const staged: Record<string, unknown> = {
    name,
    version,
    description,
    keywords,
    license,
    type: 'module',
    sideEffects,
    engines,
    exports,
    main: builtPath(manifest.exports?.['.'] ?? '', '.js'),
    types: builtPath(manifest.exports?.['.'] ?? '', '.d.ts'),
    bin: bin === undefined ? undefined : Object.fromEntries(Object.entries(bin).map(([command, source]) => [command, builtPath(source, '.js')])),
    files: ['dist', 'NOTICE'],
    dependencies: pinned.length === 0 ? undefined : Object.fromEntries(pinned),
    peerDependencies,
    peerDependenciesMeta,
  }
  return Object.fromEntries(Object.entries(staged).filter(([, value]) => value !== undefined))
}

/** Faults of a staged package that no tool reports: a path into the sources, a file that an export lacks. */
export function stagedFaults(folder: string): readonly string[] {
  const text = readFileSync(join(folder, 'package.json'), 'utf8')
  const faults = /"[^"]*\/src\/[^"]*"/.test(text) ? ['package.json names a source path'] : []
  const { exports }: { exports: Record<string, string | Record<string, string>> } = JSON.parse(text)
  for (const target of Object.values(exports).flatMap((value) => (typeof value === 'string' ? [value] : Object.values(value)))) {
    if (!existsSync(join(folder, target))) faults.push(`package.json exports ${target}, which is not there`)
  }
  if (globSync('**/*.test.*', { cwd: folder }).length > 0) faults.push('it holds tests')
  return faults
}

function stage(item: Package, all: readonly Package[]): string {
  const folder = join(root, '.cache', 'stage', item.manifest.name.replace('/', '-'))
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  cpSync(join(item.folder, 'dist'), join(folder, 'dist'), { recursive: true })
  const readme = existsSync(join(item.folder, 'README.md')) ? join(item.folder, 'README.md') : join(root, 'README.md')
  cpSync(readme, join(folder, 'README.md'))
  for (const file of ['LICENSE', 'NOTICE']) cpSync(join(root, file), join(folder, file))
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(publishedManifest(item, all), null, 2)}\n`)
  return folder
}

function must(title: string, program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${title}:\n${error?.message ?? ''}${stdout}${stderr}`)
  return stdout
}

/** Builds, stages, packs and judges all packages. Resolves to the tarballs' paths by package name. */
export function packAll(): ReadonlyMap<string, string> {
  buildAll()
  rmSync(tarballs, { recursive: true, force: true })
  mkdirSync(tarballs, { recursive: true })
  const all = publishedPackages()
  const packed = new Map<string, string>()
  for (const item of all) {
    const { name } = item.manifest
    const folder = stage(item, all)
    const faults = stagedFaults(folder)
    if (faults.length > 0) throw new Error(`${name}: ${faults.join('; ')}`)
    const [report]: [{ filename: string; size: number; entryCount: number }] = JSON.parse(
      must(`npm pack ${name}`, 'npm', ['pack', '--json', '--pack-destination', tarballs, '--loglevel=error'], folder),
    )
    const tarball = join(tarballs, report.filename)
    packed.set(name, tarball)
    must(`publint ${name}`, process.execPath, [join(root, 'node_modules/publint/src/cli.js'), 'run', tarball, '--strict'], root)
    // Sluice is ESM only; `require` works on every Node that `engines` admits, which this rule does not know.
    must(
      `arethetypeswrong ${name}`,
      process.execPath,
      [join(root, 'node_modules/@arethetypeswrong/cli/dist/index.js'), tarball, '--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm', '--no-emoji'],
      root,
    )
    console.log(`packed ${name}: ${report.entryCount} files, ${Math.ceil(report.size / 1024)} kB; publint and arethetypeswrong agree`)
  }
  return packed
}

if (import.meta.main) {
  try {
    packAll()
    console.log(`the tarballs are in ${relative(process.cwd(), tarballs)}`)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
