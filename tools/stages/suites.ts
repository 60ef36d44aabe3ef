import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** A named part of `npm test`. A test file belongs to the first suite whose pattern matches it. */
export interface Suite {
  readonly name: string
  readonly pattern: RegExp
  /** Suites of one stage share its time budget. */
  readonly stage: Stage
  /** What the machine must have; without it the suite is skipped by name (SLUICE_REQUIRE=all: fails). */
  readonly needs?: () => string | undefined
}

/** A part of the run with one time budget. */
export type Stage = 'core + embedded' | 'browser' | 'rabbitmq' | 'kafka' | 'redis'

/** Budgets of issues 3 and 5; enforced. */
export const stageBudgetsMs: Readonly<Record<Stage, number>> = {
  'core + embedded': 6 * 60_000,
  browser: 3 * 60_000,
  rabbitmq: 2.5 * 60_000,
  kafka: 2.5 * 60_000,
  redis: 2.5 * 60_000,
}

/**
 * So many files run at a time, each in its own process; there are two processors. Kafka's tests wait more than they compute
 * (120 s of a processor in 270 s): for sessions to end, groups to settle, a server to start again.
 */
export function filesAtOnce(stage: Stage): number {
  return stage === 'kafka' ? 3 : 2
}

/** Found on PATH, first of the names that is there. */
export function onPath(...names: readonly string[]): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter)
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => existsSync(file))
}

function needsChromium(): string | undefined {
  const found = process.env.CHROMIUM ?? onPath('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
  return found === undefined ? 'needs Chromium: apt-get install chromium, or CHROMIUM=/path/to/it' : undefined
}

/** Tests against a real server, whose URL the environment gives. */
function serverSuite(name: 'rabbitmq' | 'kafka' | 'redis'): Suite {
  const variable = `SLUICE_TEST_${name.toUpperCase()}_URL`
  return {
    name,
    pattern: new RegExp(`\\.${name}\\.test\\.ts$`),
    stage: name,
    needs: () => (process.env[variable] === undefined ? `needs a server: eval "$(npm run -s brokers -- env ${name})", or ${variable}` : undefined),
  }
}

/** `x.browser.test.ts` needs a browser, `x.redis.test.ts` that server; `x.slow.test.ts` runs in `npm run full` only; everything else is here. */
export const suites: readonly Suite[] = [
  { name: 'browser', pattern: /\.browser\.test\.ts$/, stage: 'browser', needs: needsChromium },
  serverSuite('rabbitmq'),
  serverSuite('kafka'),
  serverSuite('redis'),
  { name: 'transports', pattern: /^packages\/transports\//, stage: 'core + embedded' },
  { name: 'core', pattern: /^packages\/(core|sluice)\//, stage: 'core + embedded' },
  { name: 'conformance', pattern: /^packages\/conformance\/|\/conformance[^/]*\.test\.ts$/, stage: 'core + embedded' },
  { name: 'embedded', pattern: /^packages\/embedded\//, stage: 'core + embedded' },
  { name: 'shop', pattern: /^examples\//, stage: 'core + embedded' },
  { name: 'workspace', pattern: /^(tools|bench|docs)\//, stage: 'core + embedded' },
]

/** Files that take longest go first, so that none of them is left when all others have ended. */
const longest = [/\/processes\./, /\/transport\./, /\/faults\./, /\/bus\./]

/** Test files in the order in which they are begun. */
export function longestFirst(files: readonly string[]): string[] {
  const rank = (file: string): number => (longest.findIndex((pattern) => pattern.test(file)) + longest.length + 1) % (longest.length + 1)
  return files.toSorted((a, b) => rank(a) - rank(b))
}

/** The suite of a test file, by its path from the root. */
export function suiteOf(file: string): Suite {
  const suite = suites.find(({ pattern }) => pattern.test(file))
  if (suite === undefined) throw new Error(`${file} belongs to no suite of tools/stages/suites.ts`)
  return suite
}
