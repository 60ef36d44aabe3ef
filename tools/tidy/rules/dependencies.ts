import { join } from 'node:path'
import { readManifest } from '../../release/packages.ts'
import type { Finding, Rule, Tree } from '../tree.ts'

const page = 'docs/internals/dependencies.md'

/** Outside dependencies of every package.json of the tree: name → where and which version. */
function declared(tree: Tree): ReadonlyMap<string, readonly { readonly file: string; readonly version: string }[]> {
  const manifests = tree.files.filter((file) => /(^|\/)package\.json$/.test(file)).map((file) => ({ file, manifest: readManifest(join(tree.root, file)) }))
  const siblings = new Set(manifests.map(({ manifest }) => manifest.name))
  const found = new Map<string, { file: string; version: string }[]>()
  for (const { file, manifest } of manifests) {
    for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
      if (siblings.has(name)) continue
      found.set(name, [...(found.get(name) ?? []), { file, version }])
    }
  }
  return found
}

/** Each dependency is pinned to one exact version and has its reason written down; no reason outlives its dependency. */
export const dependencyReasons: Rule = {
  name: 'dependency reasons',
  why: `every dependency is a choice somebody can read in ${page}`,
  check(tree) {
    const findings: Finding[] = []
    const found = declared(tree)
    const rows = tree.files.includes(page)
      ? [...tree.read(page).matchAll(/^\| ([^|]+?) \|(.+)\|$/gm)].filter(([, name]) => name !== 'package' && !/^-+$/.test(name ?? ''))
      : []
    const explained = new Map(rows.map(([, name = '', rest = '']) => [name.replaceAll('`', ''), rest.split('|').map((cell) => cell.trim())]))
    for (const [name, places] of found) {
      for (const { file, version } of places) {
        if (!/^(npm:[^@]+@|npm:@[^@]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
          findings.push({ file, message: `${name} is "${version}", not one exact version` })
      }
      if (new Set(places.map(({ version }) => version)).size > 1)
        findings.push({
          file: places[0]?.file ?? '',
          message: `${name} has several versions: ${places.map(({ file, version }) => `${version} in ${file}`).join(', ')}`,
        })
      const cells = explained.get(name)
      if (cells === undefined) findings.push({ file: page, message: `${name} (${places.map(({ file }) => file).join(', ')}) has no line` })
      else if (cells.length < 4 || cells.some((cell) => cell === ''))
        findings.push({ file: page, message: `the line of ${name} wants: where, why, kept by, licence` })
    }
    for (const name of explained.keys()) if (!found.has(name)) findings.push({ file: page, message: `${name} is explained, and no package.json has it` })
    return { looked: found.size, at: 'dependencies', findings }
  },
}

/** The three published packages that promise to bring nothing with them. */
export const noRuntimeDependency: Rule = {
  name: 'no runtime dependency',
  why: 'core and the embedded engine bring no code of others into an application',
  check(tree) {
    const manifests = tree.files.filter((file) => /^packages\/(core|embedded|sluice)\/package\.json$/.test(file))
    const findings = manifests.flatMap((file) => {
      const { dependencies, peerDependencies } = readManifest(join(tree.root, file))
      return Object.keys({ ...dependencies, ...peerDependencies })
        .filter((name) => !name.startsWith('@sluice/'))
        .map((name) => ({ file, message: `depends on ${name}` }))
    })
    return { looked: manifests.length, at: 'manifests', findings }
  },
}
