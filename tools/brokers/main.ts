/**
 * `npm run brokers -- up|down|status|kill|restart|logs|env [name[/node] …] [--json] [--brief]`: real servers on this machine, for
 * tests and benchmarks. `eval "$(npm run -s brokers -- env redis)"` starts them and tells the tests where. Data in the system's folder for temporary files (SLUICE_BROKERS: elsewhere), Java archives in .cache.
 */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { Fleet, type Status } from './fleet.ts'
import { CannotInstall, type Server } from './server.ts'
import { servers } from './servers/index.ts'

// Outside the repository: a database's own user must reach it, and it may lie below a home that only we may enter.
const clone = createHash('sha256')
  .update(resolve(import.meta.dirname))
  .digest('hex')
  .slice(0, 8)
const fleet = new Fleet(process.env.SLUICE_BROKERS ?? join(tmpdir(), `sluice-brokers-${clone}`))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, brief: { type: 'boolean', default: false } },
})
const [command = '', ...names] = positionals

interface Target {
  readonly server: Server
  readonly node: number | undefined
}

function target(name: string): Target {
  const [serverName, node] = name.split('/')
  const server = servers.find((candidate) => candidate.name === serverName)
  if (server === undefined) throw new Error(`no server ${serverName}; there are:\n${servers.map((one) => `  ${one.name.padEnd(16)} ${one.title}`).join('\n')}`)
  if (node !== undefined && !(Number(node) >= 1 && Number(node) <= (server.nodes ?? 1)))
    throw new Error(`${serverName} has ${server.nodes ?? 1} nodes, not ${node}`)
  return { server, node: node === undefined ? undefined : Number(node) }
}

function show(status: Status): string {
  const nodes = status.nodes.map(({ pid, answers }) => (pid === undefined ? 'down' : answers ? `pid ${pid}` : `pid ${pid}, does not answer`)).join('; ')
  const extras = Object.entries(status.extras).map(([name, value]) => `\n${''.padEnd(18)}${name}: ${value}`)
  return `${status.name.padEnd(17)} ${status.url}  (${nodes})${extras.join('')}`
}

/** Runs the command for each server at the same time; a failure of one does not stop the others. */
async function forEach(targets: readonly Target[], work: (target: Target) => Promise<Status | undefined>): Promise<void> {
  const results = await Promise.allSettled(targets.map(work))
  const found: Record<string, Status> = {}
  for (const [n, result] of results.entries()) {
    const name = targets[n]?.server.name ?? ''
    if (result.status === 'fulfilled') {
      if (result.value !== undefined) found[name] = result.value
      if (!values.json) console.log(result.value === undefined ? `${name.padEnd(17)} ${command === 'kill' ? 'killed' : 'down'}` : show(result.value))
    } else {
      process.exitCode = 1
      const reason: unknown = result.reason
      console.error(`${name}: ${reason instanceof CannotInstall || reason instanceof Error ? reason.message : String(reason)}`)
    }
  }
  if (values.json) console.log(JSON.stringify(found))
}

const commands: Readonly<Record<string, (targets: readonly Target[]) => Promise<void>>> = {
  up: (targets) => forEach(targets, ({ server }) => fleet.up(server, values.brief)),
  down: (targets) => forEach(targets, ({ server }) => fleet.down(server).then(() => undefined)),
  status: (targets) => forEach(targets, ({ server }) => fleet.status(server)),
  kill: (targets) => forEach(targets, ({ server, node }) => fleet.kill(server, node).then(() => undefined)),
  restart: (targets) => forEach(targets, ({ server, node }) => fleet.restart(server, node)),
  async env(targets) {
    for (const { name, url, extras } of await Promise.all(targets.map(({ server }) => fleet.up(server, true)))) {
      const variable = `SLUICE_TEST_${name.toUpperCase().replaceAll('-', '_')}`
      for (const [extra, value] of Object.entries({ url, ...extras })) console.log(`export ${variable}_${extra.toUpperCase()}='${value}'`)
    }
  },
  async logs(targets) {
    for (const { server, node = 1 } of targets) {
      const file = fleet.log(server, node)
      console.log(`${file}\n${existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(-60).join('\n') : 'there is none'}`)
    }
  },
}

const run = commands[command]
// Without a name: everything that was started; `up` wants to be told.
const wanted = names.length > 0 ? names : command === 'up' || command === 'env' ? [] : fleet.names()
if (run === undefined || (wanted.length === 0 && (command === 'up' || command === 'env'))) {
  console.error(`usage: npm run brokers -- ${Object.keys(commands).join('|')} name[/node] … [--json]; the names:`)
  for (const { name, title } of servers) console.error(`  ${name.padEnd(16)} ${title}`)
  process.exitCode = 2
} else {
  try {
    await run(wanted.map(target))
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 2
  }
}
