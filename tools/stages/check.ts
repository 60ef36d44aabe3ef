/** `npm run check [-- name …]`: everything about the code that can be judged without running it. */
import { duration, run } from './process.ts'

interface Check {
  readonly name: string
  readonly judges: string
  readonly command: readonly [string, ...string[]]
}

const node = process.execPath

const checks: readonly Check[] = [
  { name: 'types', judges: 'TypeScript 7, strict, every tsconfig.json', command: [node, 'tools/stages/types.ts'] },
  {
    name: 'lint',
    judges: 'lint rules and format',
    command: [node, 'node_modules/@biomejs/biome/bin/biome', 'ci', '--error-on-warnings', '--colors=off', '--max-diagnostics=40', '.'],
  },
  { name: 'walls', judges: 'which folder may import which, cycles', command: [node, '--import', './tools/walls/typescript-6.mjs', 'tools/walls/walls.ts'] },
  {
    name: 'picture',
    judges: 'the architecture pictures show the code',
    command: [node, '--import', './tools/walls/typescript-6.mjs', 'tools/walls/picture.ts'],
  },
  { name: 'unused', judges: 'files, exports and dependencies nobody uses', command: [node, 'node_modules/knip/bin/knip.js', '--no-progress'] },
  { name: 'lockfile', judges: 'complete, without hosts', command: [node, 'tools/workspace/lockfile.mjs'] },
  { name: 'tidy', judges: 'the rules no other tool has', command: [node, 'tools/tidy/tidy.ts'] },
]

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !checks.some((check) => check.name === name))
if (unknown.length > 0) {
  console.error(`no such check: ${unknown.join(', ')}. There are: ${checks.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
let failed = 0
const chosen = checks.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
for (const { name, judges, command } of chosen) {
  const [program, ...args] = command
  const { code, durationMs, output } = await run(program, args, { budgetMs: 120_000, env: { NO_COLOR: '1' } })
  if (code !== 0) failed++
  console.log(
    `${code === 0 ? 'ok    ' : 'FAILED'} ${name.padEnd(9)} ${duration(durationMs).padStart(7)}  ${judges}${code === 124 ? ' (over 2 min: stopped)' : ''}`,
  )
  if (code !== 0) console.log(output.replace(/^/gm, '    ').trimEnd())
  else if (name === 'tidy' || name === 'walls') console.log(output.trimEnd().replace(/^/gm, '                         '))
}
console.log(failed === 0 ? `check: all ${chosen.length} passed` : `check: ${failed} of ${chosen.length} failed`)
process.exitCode = failed === 0 ? 0 : 1
