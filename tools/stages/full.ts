/**
 * `npm run full [-- words…]`: what takes too long for every day. Writes what it found, with date, machine and commit, to
 * docs/internals/results, to be committed. Words choose parts by name.
 */
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { duration, type Outcome, run } from './process.ts'

/** A part of the full run. */
interface Part {
  readonly name: string
  readonly command: readonly string[]
  readonly budgetMinutes: number
  readonly env?: Readonly<Record<string, string>>
}

const node = process.execPath
/** Another one each day: what was looked at yesterday need not be looked at again. Every command prints its own. */
const seed = Math.floor(Date.now() / 86_400_000)

/** The engine's long proofs: damage, simulation, crash runs, power cuts, planted bugs. */
function proofs(): readonly Part[] {
  const damage = [node, '--test', 'packages/embedded/test/damage/flipped-bits.test.ts']
  return [
    { name: 'damage: flipped bits', command: damage, env: { FLIPS: '5000', SEED: String(seed) }, budgetMinutes: 20 },
    {
      name: 'simulation of the engine',
      command: [node, 'packages/embedded/test/simulation/replay.ts'],
      env: { SEEDS: '5000', FROM: String(seed * 5000) },
      budgetMinutes: 30,
    },
    {
      name: 'torture: crash runs',
      command: [node, 'packages/conformance/test/torture.ts', '--minutes', '30', '--seed', String(seed * 1000)],
      budgetMinutes: 40,
    },
    {
      name: 'power cuts',
      command: [node, 'packages/conformance/src/power-cut/main.ts', '--seed', String(seed), '--runs', '25', '--images', '400', '--jobs', '2'],
      budgetMinutes: 60,
    },
    { name: 'planted bugs', command: [node, 'tools/planted/main.ts', '--all', '--slow'], budgetMinutes: 30 },
  ]
}

function parts(): readonly Part[] {
  const slow = globSync('{packages,examples,bench,tools}/**/*.slow.test.ts', { exclude: ['**/node_modules'] }).sort()
  return [
    { name: 'everyday tests', command: [node, 'tools/stages/test.ts'], budgetMinutes: 12 },
    ...slow.map((file) => ({ name: `slow: ${file}`, command: [node, '--test', file], budgetMinutes: 30 })),
    ...proofs(),
    { name: 'shop: every order, with chaos', command: [node, 'examples/shop/src/main.ts', '--once', '--json', '--chaos'], budgetMinutes: 30 },
    { name: 'shop: both modes', command: [node, 'examples/shop/src/main.ts', '--compare'], budgetMinutes: 15 },
    { name: 'bench', command: [node, 'bench/main.ts'], budgetMinutes: 30 },
  ]
}

const git = (...args: string[]): string => spawnSync('git', args, { encoding: 'utf8' }).stdout.trim()

// A folder of the machine must not get into a committed page.
const anonymous = (text: string): string => text.replaceAll(process.cwd(), '.')

function page(results: readonly (readonly [Part, Outcome])[], at: Date): string {
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${process.platform} ${release()}, Node ${process.version}, SQLite ${process.versions.sqlite}`
  const rows = results.map(
    ([{ name, budgetMinutes }, { code, durationMs }]) =>
      `| ${name} | ${code === 0 ? 'passed' : code === 124 ? `stopped at ${budgetMinutes} min` : `FAILED (exit ${code})`} | ${duration(durationMs)} |`,
  )
  const endings = results.map(([{ name, command, env = {} }, { output }]) => {
    const settings = Object.entries(env).map(([key, value]) => `${key}=${value}`)
    const shown = [...settings, ...command.map((word) => (word === node ? 'node' : word))].join(' ')
    return `## ${name}\n\n\`${shown}\`\n\n\`\`\`text\n${anonymous(output).trimEnd().split('\n').slice(-40).join('\n')}\n\`\`\`\n`
  })
  return [
    `# Full run of ${at.toISOString().slice(0, 10)}`,
    '',
    `Commit ${git('rev-parse', '--short=12', 'HEAD')}${git('status', '--porcelain') === '' ? '' : ' with changes that were not committed'}; ${machine}. Made by \`npm run full\`.`,
    '',
    '| part | outcome | took |',
    '| --- | --- | --- |',
    ...rows,
    '',
    ...endings,
  ].join('\n')
}

const words = process.argv.slice(2)
const chosen = parts().filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
if (chosen.length === 0) {
  console.error(
    `no part has ${words.join(' or ')} in its name. There are:\n${parts()
      .map(({ name }) => `  ${name}`)
      .join('\n')}`,
  )
  process.exit(2)
}
const at = new Date()
const results: (readonly [Part, Outcome])[] = []
for (const part of chosen) {
  console.log(`${part.name} (at most ${part.budgetMinutes} min) …`)
  const [program = node, ...args] = part.command
  const outcome = await run(program, args, { budgetMs: part.budgetMinutes * 60_000, env: { NO_COLOR: '1', ...part.env } })
  results.push([part, outcome])
  console.log(`  ${outcome.code === 0 ? 'passed' : `FAILED, exit ${outcome.code}`} in ${duration(outcome.durationMs)}`)
}
const folder = 'docs/internals/results'
mkdirSync(folder, { recursive: true })
const file = `${folder}/${at.toISOString().slice(0, 16).replace(':', '')}.md`
writeFileSync(file, page(results, at))
const failed = results.filter(([, { code }]) => code !== 0).length
console.log(`${results.length - failed} passed, ${failed} failed; written to ${file}`)
process.exitCode = failed === 0 ? 0 : 1
