import { PgBoss } from 'pg-boss'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { eventOf, inBatches } from '../order.ts'

const [url = '', countText = '0', name = '', batch = '500', outstanding = '4'] = process.argv.slice(2)
const boss = new PgBoss({ connectionString: url, supervise: false, schedule: false, max: 8 })
await boss.start()
await readyAndGo()
const startNs = nowNs()
await inBatches(Number(countText), Number(batch), Number(outstanding), (first, size) =>
  boss.insert(
    name,
    Array.from({ length: size }, (_, n) => ({ data: eventOf(first + n) })),
  ),
)
const endNs = nowNs()
await boss.stop({ graceful: false })
report({ startNs, endNs })
