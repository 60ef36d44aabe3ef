import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { BusinessFile } from '../books/business-file.ts'
import { expectedBooks } from '../books/expected.ts'
import { reconcile } from '../books/reconcile.ts'
import { type Providers, simulatedProviders } from '../providers/provider.ts'
import { readInvoices } from '../rules/input.ts'
import { demandOf, type Invoice } from '../rules/invoice.ts'
import { services } from './index.ts'
import { accept } from './order/acceptance.ts'
import { type Emitted, effectsOf, type Host, type Reaction } from './reaction.ts'
import { flowOf, flows, type ServiceName, serviceNames } from './topology.ts'

interface Office {
  readonly hosts: Record<ServiceName, Host>
  readonly reactions: Record<ServiceName, Map<string, Reaction>>
}

function openOffice(folder: string, providers: Providers): Office {
  const opened = serviceNames.map((name) => {
    const file = new BusinessFile(join(folder, `${name}.db`), services[name].schema)
    file.db.exec('PRAGMA synchronous = OFF')
    const service = services[name].create(file, providers)
    const host: Host = { file, wakeRelay: () => {}, handled: () => {} }
    return [name, host, new Map(service.reactions.map((reaction) => [reaction.contract.name, reaction]))] as const
  })
  return {
    hosts: Object.fromEntries(opened.map(([name, host]) => [name, host])) as Office['hosts'],
    reactions: Object.fromEntries(opened.map(([name, , reactions]) => [name, reactions])) as Office['reactions'],
  }
}

/** A bus for tests without a bus: one lane per (channel, key, service), worked off in a random order, some messages twice. */
async function workOff(office: Office, first: readonly Emitted[], random: () => number, againShare: number): Promise<void> {
  const lanes = new Map<string, { readonly service: ServiceName; readonly messages: Emitted[] }>()
  const route = (message: Emitted): void => {
    const { contract, to } = flowOf(message.contract)
    for (const service of to) {
      const key = (contract.key as ((data: unknown) => string | undefined) | undefined)?.(message.data) ?? message.id
      const lane = `${contract.channel} ${key} ${service}`
      const waiting = lanes.get(lane)
      if (waiting === undefined) lanes.set(lane, { service, messages: [message] })
      else waiting.messages.push(message)
    }
  }
  const collect = (): void => {
    for (const name of serviceNames) {
      const { file } = office.hosts[name]
      const rows = file.nextToSend(1_000_000)
      for (const row of rows.filter((each) => !each.callOff)) route(row)
      file.sent(rows.map((row) => row.seq))
    }
  }
  for (const message of first) route(message)
  for (;;) {
    collect()
    const names = [...lanes.keys()]
    const name = names[Math.floor(random() * names.length)]
    if (name === undefined) return
    const lane = lanes.get(name) as { readonly service: ServiceName; readonly messages: Emitted[] }
    const message = lane.messages.shift() as Emitted
    if (lane.messages.length === 0) lanes.delete(name)
    const take = (): Promise<readonly Emitted[]> =>
      (office.reactions[lane.service].get(message.contract) as Reaction).chain(office.hosts[lane.service], message.id, message.data)
    for (const emitted of await take()) route(emitted)
    // Once more, as after a crash before the settlement; what it asks for again is dropped by whoever had it.
    if (random() < againShare) for (const emitted of await take()) route(emitted)
  }
}

function postAll(office: Office, invoices: readonly Invoice[]): void {
  const { file } = office.hosts.order
  file.transact(() => {
    for (const invoice of invoices) for (const message of effectsOf(file, (effects) => accept(file, demandOf(invoice), effects)).emitted) file.enqueue(message)
  })
}

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'shop-test-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

const noLatency = { payment: 0, courier: 0, sms: 0 }

function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

for (const [seed, againShare] of [
  [1, 0],
  [2, 0.2],
] as const) {
  test(`the books balance in any order of messages${againShare > 0 ? ', with messages that come twice' : ''} (seed ${seed})`, async (context) => {
    const folder = temporaryFolder(context)
    using providers = simulatedProviders(folder, noLatency)
    const office = openOffice(folder, providers)
    const invoices = await readInvoices(400)
    postAll(office, invoices)
    await workOff(office, [], seeded(seed), againShare)
    for (const name of serviceNames) office.hosts[name].file.close()
    const result = reconcile(folder, expectedBooks(invoices))
    assert.deepEqual(result.differences, [])
    assert.equal(result.balanced, true)
    assert.equal(result.doubledEffects + result.lost + result.outOfOrder + result.unexplained, 0)
    assert.equal(result.redeliveries > 0, againShare > 0)
    for (const state of ['completed', 'cancelled', 'refunded', 'forwarded']) assert.ok((result.states[state] ?? 0) > 0, `some orders are ${state}`)
  })
}

test('the audit finds what is lost, doubled, wrong or unexplained', async (context) => {
  const folder = temporaryFolder(context)
  const providers = simulatedProviders(folder, noLatency)
  const office = openOffice(folder, providers)
  const invoices = await readInvoices(60)
  postAll(office, invoices)
  await workOff(office, [], seeded(3), 0)
  const { payment, points, logistics, notification } = office.hosts
  payment.file.run('INSERT INTO bookings SELECT * FROM bookings WHERE rowid = 1')
  points.file.run('DELETE FROM entries WHERE rowid = 1')
  logistics.file.run('UPDATE shipments SET parcels = parcels + 1 WHERE rowid = 1')
  notification.file.run("INSERT INTO notices (cause, customer, kind) VALUES ('ghost', '1', 'completed')")
  for (const name of serviceNames) office.hosts[name].file.close()
  providers[Symbol.dispose]()
  const result = reconcile(folder, expectedBooks(invoices))
  assert.equal(result.balanced, false)
  assert.deepEqual([result.doubledEffects, result.lost, result.unexplained], [1, 1, 1])
  assert.equal(result.books.moneyPence.balanced || result.books.points.balanced || result.books.parcels.balanced || result.books.mails.balanced, false)
})

test('the table of flows names exactly the handlers that the services register', (context) => {
  const folder = temporaryFolder(context)
  using providers = simulatedProviders(folder, noLatency)
  const office = openOffice(folder, providers)
  const registered = serviceNames.flatMap((name) => [...office.reactions[name].keys()].map((contract) => `${contract} ${name}`))
  const stated = flows.flatMap((flow) => flow.to.map((name) => `${flow.contract.name} ${name}`))
  assert.deepEqual(registered.toSorted(), stated.toSorted())
  for (const name of serviceNames) office.hosts[name].file.close()
})
