/**
 * The architecture pictures of docs/internals/architecture.md, drawn from the real import graph. `--write` renews them;
 * without it a stale picture is a failure.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { ICruiseResult } from 'dependency-cruiser'
import { coreLayers } from './rules.ts'
import { readWalls } from './walls.ts'

const page = 'docs/internals/architecture.md'
const isTest = (file: string): boolean => /\.test\.ts$|\/test\//.test(file)

/** Which package, example or bench a file is of. */
function packageOf(file: string): string | undefined {
  return /^packages\/(transports\/[^/]+|stores\/[^/]+|[^/]+)\/src\//.exec(file)?.[1] ?? /^(examples\/[^/]+|bench)\//.exec(file)?.[1]
}

function coreFolderOf(file: string): string | undefined {
  return /^packages\/core\/src\/([^/]+)\//.exec(file)?.[1]
}

/** Pairs [from, to] of places, each once, sorted; a place is what `placeOf` makes of a file. */
export function edgesBetween(graph: ICruiseResult, placeOf: (file: string) => string | undefined): readonly (readonly [string, string])[] {
  const pairs = new Set<string>()
  for (const { source, dependencies } of graph.modules) {
    const from = placeOf(source)
    if (from === undefined || isTest(source)) continue
    for (const { resolved } of dependencies) {
      const to = placeOf(resolved)
      if (to !== undefined && to !== from) pairs.add(`${from} ${to}`)
    }
  }
  return [...pairs].sort().map((pair) => pair.split(' ') as [string, string])
}

/** Edges that no longer way already shows: a → c goes where there is a → b → c. */
export function withoutShortcuts(edges: readonly (readonly [string, string])[]): readonly (readonly [string, string])[] {
  const next = new Map<string, Set<string>>()
  for (const [from, to] of edges) next.set(from, (next.get(from) ?? new Set()).add(to))
  const reaches = (from: string, to: string, seen: Set<string>): boolean => {
    for (const step of next.get(from) ?? []) {
      if (step === to) return true
      if (!seen.has(step) && reaches(step, to, seen.add(step))) return true
    }
    return false
  }
  return edges.filter(([from, to]) => ![...(next.get(from) ?? [])].some((step) => step !== to && reaches(step, to, new Set([from]))))
}

function diagram(edges: readonly (readonly [string, string])[]): string {
  const id = (name: string): string => name.replaceAll(/[^a-z0-9]/gi, '_')
  const names = [...new Set(edges.flat())].sort()
  return [
    '```mermaid',
    'flowchart TD',
    ...names.map((name) => `  ${id(name)}["${name}"]`),
    ...edges.map(([from, to]) => `  ${id(from)} --> ${id(to)}`),
    '```',
  ].join('\n')
}

/** The pictures by the name of their place in the page. */
export function pictures(graph: ICruiseResult): Readonly<Record<string, string>> {
  const folders = edgesBetween(graph, coreFolderOf).filter(([from, to]) => coreLayers.includes(from) && coreLayers.includes(to))
  return { packages: diagram(edgesBetween(graph, packageOf)), 'core folders': diagram(withoutShortcuts(folders)) }
}

/** Puts each picture between its two comments. Throws if a place is missing. */
export function withPictures(text: string, drawn: Readonly<Record<string, string>>): string {
  return Object.entries(drawn).reduce((page, [name, picture]) => {
    const place = new RegExp(`(<!-- picture: ${name} -->\n).*?(<!-- end of picture -->)`, 's')
    if (!place.test(page)) throw new Error(`the page has no place for the picture "${name}"`)
    return page.replace(place, (_, before: string, after: string) => `${before}${picture}\n${after}`)
  }, text)
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } })
  const root = resolve('.')
  const file = join(root, page)
  const text = readFileSync(file, 'utf8')
  const renewed = withPictures(text, pictures(await readWalls(root)))
  if (values.write) writeFileSync(file, renewed)
  else if (renewed !== text) {
    console.error(`${page} shows another import graph than the code has. Renew it: npm run picture`)
    process.exitCode = 1
  }
}
