// `npm start`, `npm test` … begin here, on whatever Node (>= 20) the machine has: install what the lockfile says if that
// is not what node_modules holds, then go on with the workspace's own Node, the devDependency `node`.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const node = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')

/** Task → what the workspace's Node runs; further arguments are passed through. */
const tasks = {
  start: ['--disable-warning=ExperimentalWarning', 'examples/shop/src/main.ts'],
  test: ['tools/stages/test.ts'],
  check: ['tools/stages/check.ts'],
  bench: ['bench/main.ts'],
  build: ['tools/release/build.ts'],
  pack: ['tools/release/pack.ts'],
  trial: ['tools/release/trial.ts'],
  full: ['tools/stages/full.ts'],
  torture: ['packages/conformance/test/torture.ts'],
  brokers: ['tools/brokers/main.ts'],
}

/** Why node_modules is not what the lockfile says, or undefined if it is. Compared by content: times lie after a checkout. */
export function staleness(folder) {
  const installed = join(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(installed)) return 'node_modules is missing'
  const wanted = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages
  const found = JSON.parse(readFileSync(installed, 'utf8')).packages
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || entry.optional === true || !path.includes('node_modules/')) continue
    const there = found[path]
    if (there === undefined) return `${path} is missing`
    if (there.version !== entry.version) return `${path} is ${there.version}, not ${entry.version}`
  }
  if (!existsSync(join(folder, 'node_modules', 'node', 'bin'))) return "the workspace's Node is missing (install scripts were not run)"
  return undefined
}

function install(reason) {
  console.error(`installing: ${reason}`)
  const npm = process.env.npm_execpath
  const [command, args] = npm === undefined ? ['npm', []] : [process.execPath, [npm]]
  const result = spawnSync(command, [...args, 'ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32' && npm === undefined,
  })
  if (result.status !== 0) {
    console.error(`npm ci failed (${result.error?.message ?? `exit ${result.status}`}). It needs the npm registry and about 500 MB of disk.`)
    process.exit(1)
  }
}

function run(task, args) {
  const path = `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`
  const child = spawn(node, [...task, ...args], { cwd: root, stdio: 'inherit', env: { ...process.env, PATH: path }, shell: process.platform === 'win32' })
  // A terminal's Ctrl-C reaches the child by itself; it decides when to end, we only wait. A plain kill is passed on.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    console.error(`cannot start ${node}: ${error.message}`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [name = '', ...args] = process.argv.slice(2)
  const task = tasks[name]
  if (task === undefined) {
    console.error(`usage: node tools/run.mjs ${Object.keys(tasks).join('|')} [arguments]`)
    process.exit(2)
  }
  const reason = staleness(root)
  if (reason !== undefined) install(reason)
  run(task, args)
}
