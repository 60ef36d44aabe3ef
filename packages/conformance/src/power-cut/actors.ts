/** The processes of a recorded run: `node actors.ts <role> <name> <folder> <count>`. Each ends by itself. */
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { connect, type EventContract, event, Reject, typed } from '@sluice/core'
import { type ConsumerObserver, type Delivery, type OutgoingMessage, systemClock, type Transport, type TransportFactory } from '@sluice/core/transport'
import { applicationTable, busGroup, channelName, keyOf, orderOf, type PowerOrder, seqOf, transportGroup, typeName, walBytesMaxName } from './content.ts'
import { Marker } from './marks.ts'

/** Module that exports the engine as `transport`; a name, since the suite does not depend on any transport. */
const engineModule = '@sluice/embedded'
const embedded = { leaseMs: 5_000, walBytesMax: Number(process.env[walBytesMaxName] ?? 1024 * 1024), partitions: 4 }

const Placed: EventContract<PowerOrder> = event(typeName, typed<PowerOrder>(), { key: ({ id }) => keyOf(id) as string })

export async function engine(): Promise<TransportFactory> {
  const loaded: { readonly transport: TransportFactory } = await import(engineModule)
  return loaded.transport
}

export async function openEngine(folder: string, service: string): Promise<Transport> {
  const factory = await engine()
  return factory.open(`file:${folder}/bus.db`, { clock: systemClock, service, instanceId: `${service}-${process.pid}`, options: { embedded }, report() {} })
}

export function outgoing(id: string): OutgoingMessage {
  const order = orderOf(id)
  const body = JSON.stringify(order)
  const key = keyOf(id)
  return {
    channel: channelName,
    sizeBytes: body.length + 200,
    envelope: {
      id,
      type: typeName,
      source: 'power',
      time: new Date().toISOString(),
      datacontenttype: 'application/json',
      body,
      ...(key === undefined ? {} : { partitionkey: key }),
    },
  }
}

const groups = [transportGroup, busGroup].map((group) => ({ channel: channelName, group, from: 'start', order: 'key', ephemeral: false }) as const)

export async function declareGroups(transport: Transport): Promise<void> {
  await transport.declare({ channels: [{ name: channelName, kind: 'events' }], groups })
}

interface Actor {
  readonly name: string
  readonly folder: string
  readonly count: number
  readonly marker: Marker
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Batches of different size, some at once, some one after the other; now and then a message for a distant day. */
async function send({ name, folder, count, marker }: Actor): Promise<void> {
  const transport = await openEngine(folder, name)
  await declareGroups(transport)
  const one = async (ids: readonly string[], later: boolean): Promise<void> => {
    marker.mark(later ? 'delaying' : 'sending', ids)
    const messages = ids.map((id) => ({ ...outgoing(id), ...(later ? { notBeforeMs: Date.now() + 3_600_000 } : {}) }))
    const { failures } = await transport.send(messages)
    const failed = new Set(failures.map(({ index }) => index))
    const confirmed = ids.filter((_, index) => !failed.has(index))
    if (confirmed.length > 0) marker.mark(later ? 'delayed' : 'sent', confirmed)
  }
  for (let seq = 0; seq < count; ) {
    const size = 1 + ((seq * 7) % 29)
    const ids = Array.from({ length: size }, (_, index) => `${name}-${seq + index}`)
    seq += size
    if (seq % 5 === 0) await one([`${name}.later-${seq}`], true)
    if (seq % 3 === 0) await Promise.all([one(ids.slice(0, size >> 1), false), one(ids.slice(size >> 1), false)].slice(size > 1 ? 0 : 1))
    else await one(ids, false)
  }
  await transport.close()
}

/** One `publish` a message on a bus, one after the other and many at once. */
async function publish({ name, folder, count, marker }: Actor): Promise<void> {
  const bus = await connect({ service: name, url: `file:${folder}/bus.db`, transports: [await engine()], logger: false, transportOptions: { embedded } })
  const one = async (seq: number): Promise<void> => {
    const id = `${name}-${seq}`
    marker.mark('sending', [id])
    const key = keyOf(id)
    await bus.publish(Placed, orderOf(id), { id, ...(key === undefined ? {} : { key }) }).then(
      () => marker.mark('sent', [id]),
      () => undefined,
    )
  }
  for (let seq = 0; seq < count; ) {
    const outstanding = seq % 4 === 0 ? 20 : 1
    await Promise.all(Array.from({ length: outstanding }, (_, index) => one(seq + index)))
    seq += outstanding
  }
  await bus.stop()
}

/** A member on the transport: accepts with a flush, tries again, releases, dead-letters. */
async function take({ name, folder, count, marker }: Actor): Promise<void> {
  const transport = await openEngine(folder, name)
  await declareGroups(transport)
  const lost = new Set<Delivery>()
  const gone = new Set<string>()
  const observer: ConsumerObserver = {
    assigned: (partition) => void gone.delete(partition),
    revoking: async (partition) => void gone.add(partition),
    lost: (partition) => void gone.add(partition),
    lostDeliveries: (some) => some.forEach((delivery) => lost.add(delivery)),
    lotChanged() {},
    paused() {},
    settlementLost: (some) => some.forEach((delivery) => lost.add(delivery)),
  }
  const consumer = await transport.consume(
    {
      channel: channelName,
      group: transportGroup,
      from: 'start',
      order: 'key',
      ephemeral: false,
      kind: 'events',
      types: [typeName],
      windowCount: 40,
      windowBytes: 1e7,
    },
    observer,
  )
  const idOf = ({ envelope }: Delivery): string => envelope.id
  const held = (some: readonly Delivery[]): Delivery[] => some.filter((delivery) => !lost.has(delivery) && !gone.has(delivery.partition))
  const late = setTimeout(() => void consumer.close(), 4_000)
  for (let taken = 0; taken < count; ) {
    const some = await consumer.receive(1 + (taken % 17), 1e6)
    if (some.length === 0) break
    marker.mark('delivered', some.map(idOf), transportGroup)
    taken += some.length
    const back = some.length > 3 && taken % 6 === 0 ? some.length - 2 : some.length
    if (back < some.length) consumer.release(some.slice(back))
    const settled = some.slice(0, back)
    const bad = settled.filter((delivery) => seqOf(idOf(delivery)) % 41 === 40)
    const good = settled.filter((delivery) => !bad.includes(delivery))
    if (bad.length > 0) {
      marker.mark('rejecting', bad.map(idOf), transportGroup)
      const reason = {
        code: 'BAD',
        message: 'bad',
        attempts: 1,
        deliveries: 1,
        firstDeliveredAtMs: 1,
        deadLetteredAtMs: 1,
        service: name,
        instanceId: name,
        fingerprint: 'bad',
      }
      const done = consumer.deadLetter(bad.map((delivery) => ({ delivery, lane: `id:${idOf(delivery)}`, reason, mode: 'continue' })))
      await done.then(
        () => marker.mark('rejected', bad.map(idOf), transportGroup),
        () => undefined,
      )
    }
    marker.mark('accepting', good.map(idOf), transportGroup)
    consumer.accept(good)
    await consumer.flush()
    // A lost settlement is told in the next turn of the loop at the latest.
    await sleep(0)
    const sure = held(good)
    if (sure.length > 0) marker.mark('accepted', sure.map(idOf), transportGroup)
  }
  clearTimeout(late)
  await transport.close()
}

/** Handlers of a bus: attempts that are recorded, lanes that are suspended or parked, dead letters. */
async function handle({ folder, count, marker }: Actor): Promise<void> {
  const bus = await connect({
    service: busGroup,
    url: `file:${folder}/bus.db`,
    transports: [await engine()],
    logger: false,
    transportOptions: { embedded },
    holdMaxMs: 20,
  })
  let calls = 0
  let finish = (): void => {}
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  bus.on(
    Placed,
    async ({ id }, { attempt }) => {
      marker.mark('delivered', [id], busGroup)
      if (++calls >= count) finish()
      if (seqOf(id) % 61 === 60) {
        marker.mark('rejecting', [id], busGroup)
        throw new Reject('bad')
      }
      if (seqOf(id) % 23 === 22 && attempt < 3) throw new Error('again')
      if (seqOf(id) % 5 === 0) await sleep(1)
      marker.mark('accepting', [id], busGroup)
    },
    { group: busGroup, retry: { attempts: 5, minDelayMs: 5, maxDelayMs: 60 }, onDeadLetter: 'park', killSwitch: false },
  )
  await bus.start()
  await Promise.race([done, sleep(4_000)])
  await bus.stop({ deadlineMs: 2_000 })
}

/** The application's own transactions, durable at their commit (`synchronous = FULL`), some rolled back. */
async function transact({ name, folder, count, marker }: Actor): Promise<void> {
  const transport = await openEngine(folder, name)
  await declareGroups(transport)
  const application = new DatabaseSync(`${folder}/bus.db`)
  application.exec(`PRAGMA busy_timeout = 5000; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS ${applicationTable} (id TEXT PRIMARY KEY)`)
  const insert = application.prepare(`INSERT INTO ${applicationTable} VALUES (?)`)
  for (let seq = 0; seq < count; seq += 3) {
    const ids = [0, 1, 2].map((more) => `${name}-${seq + more}`)
    const undo = seq % 4 === 3
    marker.mark(undo ? 'undone' : 'committing', ids)
    try {
      application.exec('BEGIN IMMEDIATE')
      insert.run(ids[0] as string)
      const { failures } = await transport.send(ids.map(outgoing), { transaction: application })
      application.exec(undo || failures.length > 0 ? 'ROLLBACK' : 'COMMIT')
      if (!undo && failures.length === 0) marker.mark('committed', ids)
    } catch (error) {
      // A full disk, a lock that was held for long: nothing was promised.
      if (application.isTransaction) application.exec('ROLLBACK')
      if (!(error instanceof Error) || !('code' in error)) throw error
    }
    await sleep(seq % 2)
  }
  application.close()
  await transport.close()
}

/** Role → what it does. */
export const roles: Readonly<Record<string, (actor: Actor) => Promise<void>>> = { send, publish, take, handle, transact }

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [role = '', name = '', folder = '', count = '0'] = process.argv.slice(2)
  const marker = new Marker(folder)
  await roles[role]?.({ name, folder, count: Number(count), marker })
  marker.close()
  process.exit(0)
}
