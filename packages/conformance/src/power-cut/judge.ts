/** Opens what a disk holds after a power cut with the real engine, and compares it with what had been promised. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { ConsumerObserver, Envelope, LotLane, Transport } from '@sluice/core/transport'
import { declareGroups, engine, openEngine } from './actors.ts'
import { applicationTable, busGroup, channelName, keyOf, orderOf, producerOf, seqOf, transportGroup, typeName } from './content.ts'
import type { Image } from './disk.ts'
import type { Promises } from './marks.ts'

/** Writes the image into a folder of its own, judges it, and removes it. Resolves to what is wrong, in words. */
export async function judgeImage(image: Image, promises: Promises, folder: string, keep = false): Promise<readonly string[]> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const [name, content] of image) writeFileSync(`${folder}/${name}`, content, { mode: 0o600 })
  const findings: string[] = []
  try {
    // Before anything was promised there may be no bus at all, or an empty file.
    const found = promises.sent.size === 0 ? undefined : await (await (await engine()).maintenance?.())?.check(`file:${folder}/bus.db`)
    for (const { level, code, where, what } of found?.findings ?? []) if (level === 'error') findings.push(`check: ${code} at ${where}: ${what}`)
    const transport = await openEngine(folder, 'judge')
    try {
      await declareGroups(transport)
      await judge(transport, folder, promises, findings)
    } finally {
      await transport.close()
    }
  } catch (error) {
    findings.push(`the engine refuses the image: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  }
  if (!keep) rmSync(folder, { recursive: true, force: true })
  return findings
}

async function judge(transport: Transport, folder: string, promises: Promises, findings: string[]): Promise<void> {
  const log = await browse(transport)
  const stored = new Map(log.map((envelope) => [envelope.id, envelope]))
  if (stored.size !== log.length) findings.push(`the log holds ${log.length - stored.size} messages twice`)
  for (const envelope of log) judgeContent(envelope, promises, findings)
  judgeOrder(
    log.map(({ id }) => id),
    'the log',
    findings,
  )
  const lost = [...promises.sent].filter((id) => !stored.has(id))
  if (lost.length > 0) findings.push(`${lost.length} confirmed messages are lost: ${some(lost)}`)
  for (const [group, ids] of promises.delivered) {
    const never = [...ids].filter((id) => !stored.has(id))
    if (never.length > 0) findings.push(`${never.length} messages were delivered to ${group} and are gone, so they were not synced: ${some(never)}`)
  }
  judgeTransactions(folder, stored, promises, findings)
  for (const id of promises.delayed) if (!(await transport.admin.cancel(channelName, id))) findings.push(`the delayed message ${id} is lost`)
  for (const group of [transportGroup, busGroup]) await judgeGroup(transport, group, stored, promises, findings)
}

async function browse(transport: Transport): Promise<Envelope[]> {
  const all: Envelope[] = []
  for (let after: string | undefined; ; ) {
    const { messages, next } = await transport.admin.browse(channelName, { limit: 5_000, ...(after === undefined ? {} : { after }) })
    all.push(...messages)
    if (next === undefined) return all
    after = next
  }
}

function judgeContent({ id, body, partitionkey }: Envelope, promises: Promises, findings: string[]): void {
  if (!promises.sending.has(id)) findings.push(promises.undone.has(id) ? `${id} was rolled back and is there` : `${id} was never sent`)
  else if (body !== JSON.stringify(orderOf(id)) || partitionkey !== keyOf(id)) findings.push(`${id} has another body or key than it was sent with`)
}

function judgeOrder(ids: readonly string[], where: string, findings: string[]): void {
  const last = new Map<string, number>()
  for (const id of ids) {
    const key = keyOf(id)
    if (key === undefined) continue
    const lane = `${producerOf(id)} ${key}`
    const before = last.get(lane) ?? -1
    if (seqOf(id) <= before) findings.push(`${where}: ${id} comes after ${before} of its producer and key`)
    last.set(lane, seqOf(id))
  }
}

function judgeTransactions(folder: string, stored: ReadonlyMap<string, unknown>, promises: Promises, findings: string[]): void {
  const database = new DatabaseSync(`${folder}/bus.db`)
  const there = database.prepare('SELECT count(*) AS there FROM sqlite_schema WHERE name = ?').get(applicationTable)?.['there'] === 1
  const rows = there ? database.prepare(`SELECT id FROM ${applicationTable}`).all() : []
  const problems = database.prepare('PRAGMA integrity_check').all()
  database.close()
  if (problems.length !== 1 || problems[0]?.['integrity_check'] !== 'ok')
    findings.push(`SQLite finds the file damaged: ${JSON.stringify(problems).slice(0, 300)}`)
  const written = new Set(rows.map(({ id }) => String(id)))
  for (const [first, ids] of promises.committing) {
    const kept = ids.filter((id) => stored.has(id)).length + (written.has(first) ? 1 : 0)
    if (kept !== 0 && kept !== ids.length + 1) findings.push(`the transaction of ${first} is there in part`)
  }
  for (const id of written) if (promises.undone.has(id)) findings.push(`the transaction of ${id} was rolled back and is there`)
}

/** Everything that the group still has to do, and whether it is exactly what was not done. */
async function judgeGroup(transport: Transport, group: string, stored: ReadonlyMap<string, unknown>, promises: Promises, findings: string[]): Promise<void> {
  const dead: string[] = []
  for (let after: string | undefined; ; ) {
    const page = await transport.admin.deadLetters(channelName, group, { limit: 1_000, ...(after === undefined ? {} : { after }) })
    if (page.length === 0) break
    dead.push(...page.map(({ envelope }) => envelope.id))
    after = page.at(-1)?.deadLetterId
  }
  const { fromLog, fromLot } = await drain(transport, group, dead.length)
  judgeOrder(fromLog, `group ${group}`, findings)
  const times = new Map<string, number>()
  for (const id of [...fromLog, ...fromLot]) times.set(id, (times.get(id) ?? 0) + 1)
  const accepting = promises.accepting.get(group) ?? new Set()
  const accepted = promises.accepted.get(group) ?? new Set()
  const rejecting = promises.rejecting.get(group) ?? new Set()
  const rejected = promises.rejected.get(group) ?? new Set()
  for (const [id, count] of times) {
    if (count > 1) findings.push(`group ${group} has ${id} ${count} times`)
    if (!stored.has(id)) findings.push(`group ${group} has ${id}, which the log has not`)
    if (accepted.has(id)) findings.push(`group ${group}: ${id} was accepted and comes again`)
  }
  const left = new Set(dead)
  for (const id of dead) if (!rejecting.has(id)) findings.push(`group ${group}: ${id} is a dead letter without a reason`)
  for (const id of rejected) if (!left.has(id)) findings.push(`group ${group}: the dead letter ${id} is lost`)
  for (const id of stored.keys()) if (!times.has(id) && !accepting.has(id)) findings.push(`group ${group}: ${id} was not accepted and does not come`)
}

/** Takes all that is left: dead letters are put back first, so that parked lanes open. */
async function drain(transport: Transport, group: string, dead: number): Promise<{ readonly fromLog: readonly string[]; readonly fromLot: readonly string[] }> {
  if (dead > 0) await transport.admin.redrive(channelName, group, {})
  const lanes = new Map<string, LotLane>()
  const note = (_: string, changed: readonly LotLane[]): void => changed.forEach((lane) => lanes.set(lane.lane, lane))
  const observer: ConsumerObserver = {
    assigned: note,
    revoking: async () => {},
    lost() {},
    lostDeliveries() {},
    lotChanged: note,
    paused() {},
    settlementLost() {},
  }
  const consumer = await transport.consume(
    { channel: channelName, group, from: 'start', order: 'key', ephemeral: false, kind: 'events', types: [typeName], windowCount: 1e6, windowBytes: 1e9 },
    observer,
  )
  const backlog = (await transport.admin.groups(channelName)).find((one) => one.group === group)?.backlog ?? 0
  const fromLot: string[] = []
  for (const { lane, partition } of lanes.values()) {
    const entries = await consumer.lot?.read(partition, lane, 1e6)
    for (const { envelope } of entries ?? []) fromLot.push(envelope.id)
  }
  const fromLog: string[] = []
  const late = setTimeout(() => void consumer.close(), 5_000)
  while (fromLog.length + fromLot.length < backlog) {
    const deliveries = await consumer.receive(10_000, Number.POSITIVE_INFINITY)
    if (deliveries.length === 0) break
    for (const { envelope } of deliveries) fromLog.push(envelope.id)
  }
  clearTimeout(late)
  await consumer.close()
  return { fromLog, fromLot }
}

function some(ids: readonly string[]): string {
  return ids.slice(0, 5).join(', ')
}
