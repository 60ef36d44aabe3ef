/**
 * The checks that planted bugs are shown to. A check is named by what it is: `<test file>`, `<test file> :: <title of a
 * test>`, `conformance :: <title of a case>` (over `file:`), `processes :: <title>` (the same with child processes that are
 * killed and frozen), or one of the simulations.
 */
export interface Check {
  readonly name: string
  /** What the workspace's Node runs, from the root; it ends with 0 on the sound source. */
  readonly command: readonly string[]
  /** Too slow for every day: shown the bug by `npm run full` only. */
  readonly slow: boolean
}

const simulations: Readonly<Record<string, readonly string[]>> = {
  'dispatcher simulation': ['packages/core/test/simulation/dispatcher/replay.ts'],
  'engine simulation': ['packages/embedded/test/simulation/replay.ts'],
}

const suites: Readonly<Record<string, string>> = {
  conformance: 'packages/conformance/test/file.test.ts',
  processes: 'packages/conformance/test/file-processes.test.ts',
}

/** The check of that name. */
export function checkOf(name: string): Check {
  const simulation = simulations[name]
  if (simulation !== undefined) return { name, command: simulation, slow: false }
  const [place = '', title] = name.split(' :: ')
  const pattern = title === undefined ? [] : [`--test-name-pattern=${title.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}`]
  return {
    name,
    command: ['--test', '--test-reporter=tap', '--test-timeout=60000', ...pattern, suites[place] ?? place],
    slow: place === 'processes' || place.endsWith('.slow.test.ts') || place.includes('/crash/'),
  }
}
