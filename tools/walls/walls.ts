/** Checks the walls of the repository: `node --import ./tools/walls/typescript-6.mjs tools/walls/walls.ts [folder]`. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import { meetByName, rules } from './rules.ts'

/** The import graph of a tree with the violations of the walls in it. Throws if it read nothing: that is no pass. */
export async function readWalls(root: string): Promise<ICruiseResult> {
  const folders = ['packages', 'examples', 'bench', 'tools'].filter((folder) => existsSync(join(root, folder)))
  const { output } = await cruise(folders, {
    baseDir: root,
    ruleSet: { forbidden: [...rules] },
    validate: true,
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|\\.cache|planted)/|^bench/peers/[^/]+/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'], extensions: ['.ts', '.mjs', '.js', '.json'] },
  })
  if (typeof output === 'string') throw new Error('dependency-cruiser returned text instead of a result')
  const typescriptRead = output.modules.filter((module) => module.source.endsWith('.ts') && !module.coreModule).length
  if (typescriptRead === 0)
    throw new Error(`dependency-cruiser read no TypeScript module below ${root}: this is no pass (is typescript-6 installed and hooked in?)`)
  if (!output.modules.some((module) => module.dependencies.length > 0)) throw new Error(`dependency-cruiser found no import below ${root}: this is no pass`)
  return output
}

const packageOf = (file: string): string => /^(packages\/(?:transports\/|stores\/)?[^/]+|examples\/[^/]+|[^/]+)\//.exec(file)?.[1] ?? ''

/** A wall that was broken. */
export interface Breach {
  readonly rule: string
  readonly from: string
  /** What was imported, or the cycle. */
  readonly to: string
  readonly comment: string
}

/** All breaches in a graph that {@link readWalls} read. */
export function breachesOf({ modules, summary }: ICruiseResult): readonly Breach[] {
  const reported = summary.violations.map(({ rule, from, to, cycle }) => ({
    rule: rule.name,
    from,
    to: cycle === undefined ? to : cycle.map(({ name }) => name).join(' → '),
    comment: rules.find(({ name }) => name === rule.name)?.comment ?? '',
  }))
  const relative = modules.flatMap(({ source, dependencies }) =>
    dependencies
      .filter(({ module, resolved, couldNotResolve }) => module.startsWith('.') && !couldNotResolve && packageOf(source) !== packageOf(resolved))
      .map(({ resolved }) => ({ rule: meetByName.name, from: source, to: resolved, comment: meetByName.comment })),
  )
  return [...reported, ...relative]
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { root: { type: 'string', default: '.' }, json: { type: 'boolean', default: false } } })
  const graph = await readWalls(resolve(values.root))
  const breaches = breachesOf(graph)
  if (values.json) console.log(JSON.stringify(breaches))
  else for (const { rule, from, to, comment } of breaches) console.log(`${rule}: ${from} → ${to}\n    ${comment}`)
  console.error(
    `${graph.modules.length} modules read, ${graph.summary.totalDependenciesCruised} imports, ${rules.length + 1} rules, ${breaches.length} breaches`,
  )
  process.exitCode = breaches.length > 0 ? 1 : 0
}
