/**
 * Made `format-1.db` once; run again only for a new format: `node packages/embedded/test/frozen/make.ts <file>`. Copies of
 * shipped formats are never made again.
 */
import { DatabaseSync } from 'node:sqlite'
import { joinGroup, message, openBus, take } from '../bus-file.ts'

const [path = ''] = process.argv.slice(2)
const bus = await openBus(path)
const reason = {
  code: 'HANDLER_FAILED',
  message: 'no',
  attempts: 3,
  deliveries: 3,
  firstDeliveredAtMs: 1,
  deadLetteredAtMs: 2,
  service: 's',
  instanceId: 'i',
  fingerprint: 'f',
}
const consumer = await joinGroup(bus)
await bus.send([message('done', 'a'), message('dead', 'dead'), message('behind', 'dead'), message('suspended', 'late'), message('attempted', 'try')])
for (const delivery of await take(consumer, 5)) {
  const record = { delivery, attempt: 2, notBeforeMs: 0, firstDeliveredAtMs: 1, note: 'note' }
  if (delivery.envelope.body === 'done') consumer.accept([delivery])
  if (delivery.envelope.body === 'dead') await consumer.deadLetter([{ delivery, lane: 'key:dead', reason, mode: 'park' }])
  if (delivery.envelope.body === 'behind') await consumer.lot?.move('key:dead', [delivery], { state: 'parked', dueAtMs: 0 })
  if (delivery.envelope.body === 'suspended') await consumer.lot?.move('key:late', [delivery], { state: 'suspended', dueAtMs: 4_000_000_000_000 }, record)
  if (delivery.envelope.body === 'attempted') await consumer.record([record])
}
await consumer.close()
await bus.send([message('after', 'a'), message('bytes \0 ü'), { ...message('later'), notBeforeMs: 4_000_000_000_000 }])
await bus.admin.putSchedule({ name: 'nightly', cron: '0 0 * * *', timeZone: 'UTC', nextAtMs: 4_000_000_000_000, message: message('tick') })
await bus.close()
const db = new DatabaseSync(path)
db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
db.exec('VACUUM')
db.exec('PRAGMA journal_mode = DELETE')
db.close()
