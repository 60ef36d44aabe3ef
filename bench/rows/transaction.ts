import { type BenchOptions, compared, type Row } from '../benchmark.ts'
import { inFolder } from '../folder.ts'
import { Role } from '../processes.ts'

const count = 4000

/** Publishing inside the application's own transaction, against one plain insert of the same order in its place. */
export async function transaction(options: BenchOptions): Promise<readonly Row[]> {
  const run = (kind: 'publish' | 'insert', synchronous: string): Promise<number> =>
    inFolder(async (folder) => {
      const role = new Role(new URL('../sluice-log/transaction.ts', import.meta.url), [folder, String(count), kind, synchronous])
      await role.next()
      role.tell('go')
      const { rate } = await role.next<{ rate: number }>()
      await role.end()
      return rate
    })
  const rows: Row[] = []
  for (const synchronous of ['FULL', 'NORMAL']) {
    const plain: number[] = []
    const ours: number[] = []
    for (let pair = 0; pair < options.pairs; pair++) {
      plain.push(await run('insert', synchronous))
      ours.push(await run('publish', synchronous))
    }
    const durable = synchronous === 'FULL'
    rows.push(
      compared(
        {
          name: `publish inside the application's transaction${durable ? '' : ', synchronous = NORMAL'}`,
          unit: 'transactions/s',
          rawName: 'a plain insert instead',
          target: durable ? '≥ 0.8 of a plain insert' : '',
          note: durable
            ? 'each transaction inserts a business row, then publishes or inserts, and commits with synchronous = FULL'
            : 'the commit waits for no disk: what a publish costs in CPU time, and the sync that follows it',
        },
        ours,
        plain,
        (ratio) => !durable || ratio >= 0.8,
      ),
    )
  }
  return rows
}
