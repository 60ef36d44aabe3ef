import { setTimeout as sleep } from 'node:timers/promises'
import { PgBoss } from 'pg-boss'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { orderIn, Tally } from '../order.ts'

const [url = '', countText = '0', name = '', batch = '500', , loops = '2'] = process.argv.slice(2)
const tally = new Tally(Number(countText))
const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false, max: 8 })
await boss.start()
await boss.createQueue(name)
await readyAndGo()
const work = async (): Promise<void> => {
  while (!tally.complete) {
    const jobs = await boss.fetch(name, { batchSize: Number(batch) })
    for (const job of jobs) tally.handle(orderIn(job.data), nowNs)
    if (jobs.length > 0)
      await boss.complete(
        name,
        jobs.map(({ id }) => id),
      )
    else await sleep(2)
  }
}
await Promise.all(Array.from({ length: Number(loops) }, work))
const endNs = nowNs()
await boss.deleteQueue(name)
await boss.stop({ graceful: false })
report({ startNs: await tally.done(), endNs })
