/** `npm run build`: compiles every published package to ES modules and declarations in its `dist`. */
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { builtPath, type Package, publishedPackages, root, siblingsOf } from './packages.ts'

/** Compiles one package. Its siblings must be compiled: their declarations are read, not their sources. */
function build(item: Package, all: readonly Package[]): void {
  const { folder, manifest } = item
  rmSync(join(folder, 'dist'), { recursive: true, force: true })
  const config = join(root, '.cache', 'build', `${manifest.name.replace('/', '-')}.json`)
  mkdirSync(join(config, '..'), { recursive: true })
  const paths: Record<string, string[]> = {}
  for (const name of siblingsOf(item, all)) {
    const sibling = all.find((other) => other.manifest.name === name)
    if (sibling === undefined) continue
    for (const [subpath, source] of Object.entries(sibling.manifest.exports ?? {})) {
      paths[join(name, subpath)] = [join(sibling.folder, builtPath(source, '.d.ts'))]
    }
  }
  const options = {
    extends: join(root, 'tsconfig.json'),
    compilerOptions: {
      noEmit: false,
      isolatedDeclarations: true,
      declaration: true,
      rootDir: join(folder, 'src'),
      outDir: join(folder, 'dist'),
      paths,
      stripInternal: true,
    },
    include: [join(folder, 'src/**/*.ts')],
    exclude: [join(folder, 'src/**/*.test.ts')],
  }
  writeFileSync(config, JSON.stringify(options, null, 2))
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', config], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${manifest.name} does not compile:\n${stdout}${stderr}`)
  checkEmitted(item)
}

/** Lines of compiled code that still name a source file: tsc rewrites imports, not other strings (a worker's URL, say). */
export function leftSourceNames(code: string): readonly string[] {
  return [...code.matchAll(/^(?!\s*(?:\*|\/\/)).*['"]\.{1,2}\/[^'"\n]*\.ts['"].*$/gm)].map(([line]) => line.trim()).filter((line) => !line.includes('.js'))
}

function checkEmitted({ folder, manifest }: Package): void {
  const emitted = globSync('dist/**/*.js', { cwd: folder })
  if (emitted.length === 0) throw new Error(`${manifest.name}: nothing was compiled`)
  for (const file of emitted) {
    const [left] = leftSourceNames(readFileSync(join(folder, file), 'utf8'))
    if (left !== undefined) throw new Error(`${manifest.name}: ${file} still names a source file: ${left}`)
  }
}

/** Compiles all published packages, in the order of their dependencies. */
export function buildAll(): void {
  const all = publishedPackages()
  if (all.length === 0) throw new Error('no package to build')
  for (const item of all) {
    build(item, all)
    console.log(`built ${item.manifest.name} (${globSync('dist/**/*.js', { cwd: item.folder }).length} modules in ${relative(root, item.folder)}/dist)`)
  }
}

if (import.meta.main) {
  try {
    buildAll()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
