/**
 * `npm run torture -- [--minutes N] [--seed S] [--runs N] [--url file:] [--profile mixed|freeze|writes] [--parallel N]
 * [--until-failure]`: a
 * swarm of crash runs with real processes. Exit 1 if any fails; its seed, command and history are printed.
 */
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type ActorPlace, summary, type TorturePlan, type TortureProfile, torture } from '../src/crash/torture/index.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string', default: String(Math.floor(Date.now() / 1000) % 1_000_000) },
    runs: { type: 'string' },
    url: { type: 'string', default: 'file:' },
    profile: { type: 'string', default: 'mixed' },
    parallel: { type: 'string', default: '2' },
    'until-failure': { type: 'boolean', default: false },
  },
})

/** Packages whose `transport` opens a URL. */
const modules: Readonly<Record<string, string>> = { file: '@sluice/embedded' }

const scheme = values.url.split(':')[0] as string
const moduleName = modules[scheme]
if (moduleName === undefined) throw new Error(`no transport for ${values.url}: there is ${Object.keys(modules).join(', ')}`)
const here = import.meta.resolve('./torture-file.ts')
const isFile = scheme === 'file'
const place = ({ leaseMs, walBytesMax }: TorturePlan): ActorPlace => ({
  module: { module: import.meta.resolve(moduleName), export: 'transport' },
  url: isFile ? 'file:{folder}/bus.db' : values.url,
  options: isFile ? { embedded: { leaseMs, walBytesMax } } : {},
  ...(isFile
    ? {
        transaction: { module: here, export: 'beginTransaction' },
        otherLibrary: { module: here, export: 'otherLibrary' },
        otherTransaction: { module: here, export: 'beginOtherTransaction' },
      }
    : {}),
})
// Processes are started by the hundred; what they load is the same.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'sluice-torture-compile-cache')
const seed = Number(values.seed)
const runs = values.runs === undefined ? (values.minutes === undefined ? 20 : Number.POSITIVE_INFINITY) : Number(values.runs)
const startMs = performance.now()
const totals = await torture({
  place,
  able: { transactions: isFile, otherLibrary: isFile, systemCalls: isFile && spawnSync('strace', ['-f', 'true']).status === 0 },
  seed,
  runs,
  minutes: values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes),
  parallel: Number(values.parallel),
  profile: values.profile as TortureProfile,
  untilFailure: values['until-failure'],
  say: (line) => console.log(line),
  command: (failed) => `npm run torture -- --seed ${failed} --runs 1 --profile ${values.profile} --url ${values.url}`,
})
console.log(`${summary(totals)}; first seed ${seed}, ${((performance.now() - startMs) / 1000).toFixed(0)} s`)
process.exitCode = totals.failed === 0 ? 0 : 1
