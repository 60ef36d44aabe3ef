import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { busSubjects, processSubjects, transportSubjects } from '../cases/index.ts'
import { faults } from '../faults/index.ts'
import type { Subject } from '../suite/case.ts'
import { guaranteesPage } from './guarantees.ts'
import { type Recorded, recordedFromText } from './recorded.ts'

const packageFolder = join(import.meta.dirname, '../..')
const recordedFolder = join(packageFolder, 'recorded')
const reference = join(packageFolder, '../../docs/reference')

/** Every case that the pages show, in their order. */
export const reportedSubjects: readonly Subject[] = [
  ...transportSubjects,
  ...busSubjects,
  ...processSubjects,
  { name: 'faults', cases: faults.map(({ name }) => ({ name, run: async () => {} })) },
]

// The order of the columns; what is not here comes after, by name.
const columns = ['memory', 'file', 'rabbitmq', 'kafka', 'redis']

/** File of a transport's kept run. */
export function recordedPath(transport: string): string {
  return join(recordedFolder, `${transport}.jsonl`)
}

/** The runs that are kept, in the order of the columns. */
export function keptRuns(): readonly Recorded[] {
  const rank = ({ transport }: Recorded): number => (columns.includes(transport) ? columns.indexOf(transport) : columns.length)
  return readdirSync(recordedFolder)
    .sort()
    .map((file) => recordedFromText(readFileSync(join(recordedFolder, file), 'utf8')))
    .sort((a, b) => rank(a) - rank(b))
}

/** The pages made of some runs, with the files that hold them. */
export function pages(runs: readonly Recorded[]): readonly { readonly path: string; readonly text: string }[] {
  return [
    { path: join(reference, 'guarantees.md'), text: guaranteesPage(runs, 'en') },
    { path: join(reference, 'guarantees.zh-CN.md'), text: guaranteesPage(runs, 'zh') },
  ]
}
