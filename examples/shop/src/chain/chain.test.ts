import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { request, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'sluice'
import { BusinessFile } from '../books/business-file.ts'
import { expectedBooks } from '../books/expected.ts'
import { reconcile } from '../books/reconcile.ts'
import { Relay } from '../books/relay.ts'
import { simulatedProviders } from '../providers/provider.ts'
import { readInvoices } from '../rules/input.ts'
import type { Invoice } from '../rules/invoice.ts'
import { paymentCourse } from '../rules/terms.ts'
import { services } from '../services/index.ts'
import { orderApi } from '../services/order/api.ts'
import type { Mode } from '../services/process/control.ts'
import type { Host } from '../services/reaction.ts'
import { flowOf, type ServiceName, serviceNames } from '../services/topology.ts'
import { runChain } from './chain.ts'
import { serve } from './server.ts'

interface Answer {
  readonly status: number
  readonly body: {
    readonly state?: string
    readonly repeated?: boolean
    readonly accepted?: number
    readonly error?: string
    readonly quotes?: readonly { sku: string; onHand: number }[]
  }
}

interface SmallShop {
  readonly ports: Partial<Record<ServiceName, number>>
  mode: Mode
  call(method: string, path: string, body?: string, headers?: Record<string, string>): Promise<Answer>
  post(invoice: Invoice): Promise<Answer>
  close(): Promise<void>
}

/** All six services in this process, over `memory:` and over HTTP, as services/process joins them. */
async function openShop(context: TestContext, folder: string): Promise<SmallShop> {
  const url = `memory:${context.name}`
  const providers = simulatedProviders(folder, { payment: 0, courier: 0, sms: 0 })
  const ports: Partial<Record<ServiceName, number>> = {}
  const closers: (() => Promise<void> | void)[] = []
  const shop: SmallShop = {
    ports,
    mode: 'synchronous',
    call: (method, path, body, headers = {}) =>
      new Promise((resolve, reject) => {
        const outgoing = request({ host: '127.0.0.1', port: ports.order, method, path, headers }, (response) => {
          let text = ''
          response.on('data', (chunk) => {
            text += chunk
          })
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Answer['body'] }))
        })
        outgoing.on('error', reject)
        outgoing.end(body)
      }),
    post: (invoice) => shop.call('POST', '/orders', JSON.stringify(invoice)),
    async close() {
      for (const closer of closers.splice(0)) await closer()
      providers[Symbol.dispose]()
    },
  }
  for (const name of serviceNames) {
    const file = new BusinessFile(join(folder, `${name}.db`), services[name].schema)
    const service = services[name].create(file, providers)
    const bus = await connect({ service: name, url, logger: false })
    const relay = new Relay(
      bus,
      file,
      (contract) => flowOf(contract).contract,
      () => {},
      assert.ifError,
    )
    const host: Host = { file, wakeRelay: () => relay.wake(), handled: () => {} }
    for (const reaction of service.reactions) reaction.register(bus, host)
    service.register?.(bus, host)
    await bus.start()
    const takeHere = new Map(service.reactions.map((reaction) => [reaction.contract.name, reaction]))
    const route = orderApi({
      file,
      host,
      bus,
      mode: () => shop.mode,
      runChain: (first) =>
        runChain(
          first,
          (message) => takeHere.get(message.contract)?.chain(host, message.id, message.data) ?? Promise.resolve([]),
          (peer) => ports[peer],
          'token',
        ),
    })
    const served: { server: Server; port: number } = await serve(service.reactions, host, 'token', name === 'order' ? route : () => Promise.resolve(false), 0)
    ports[name] = served.port
    closers.push(async () => {
      served.server.close()
      served.server.closeAllConnections()
      await bus.stop({ deadlineMs: 1_000 })
      await relay.stop(0)
      file.close()
    })
  }
  context.after(() => shop.close())
  return shop
}

function temporaryFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'shop-chain-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function until(reached: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000
  while (!(await reached())) {
    assert.ok(performance.now() < deadline, 'not within 15 s')
    await sleep(50)
  }
}

const done = ['completed', 'cancelled', 'refunded', 'void', 'forwarded']

test('the chain leaves the same books as messages do', async (context) => {
  const folder = temporaryFolder(context)
  const shop = await openShop(context, folder)
  const invoices = await readInvoices(120)
  for (const invoice of invoices) {
    const { status } = await shop.post(invoice)
    assert.equal(status, 201, invoice.invoice)
  }
  for (const { invoice } of invoices) await until(async () => done.includes((await shop.call('GET', `/orders/${invoice}`)).body.state ?? ''))
  await sleep(500)
  await shop.close()
  const { differences, balanced } = reconcile(folder, expectedBooks(invoices))
  assert.deepEqual(differences, [])
  assert.equal(balanced, true)
})

test('a broken chain: 502 with the name of who is away; a repeated order goes on, by chain or by message', async (context) => {
  const folder = temporaryFolder(context)
  const shop = await openShop(context, folder)
  const sales = (await readInvoices(200)).filter(
    ({ invoice, quantity, customer }) => /^\d/.test(invoice) && quantity > 0 && quantity < 60 && customer !== null && paymentCourse(invoice, 1) === 'taken',
  )
  const [byChain, byMessage] = sales as [Invoice, Invoice]
  const port = shop.ports.logistics
  delete shop.ports.logistics
  for (const sale of [byChain, byMessage]) {
    const broken = await shop.post(sale)
    assert.equal(broken.status, 502)
    assert.match(broken.body.error ?? '', /logistics is stopped/)
    assert.equal((await shop.call('GET', `/orders/${sale.invoice}`)).body.state, 'shipping')
  }
  shop.mode = 'asynchronous'
  assert.equal((await shop.post(byMessage)).body.repeated, true)
  await until(async () => (await shop.call('GET', `/orders/${byMessage.invoice}`)).body.state === 'completed')
  shop.mode = 'synchronous'
  if (port !== undefined) shop.ports.logistics = port
  assert.equal((await shop.post(byChain)).status, 200)
  assert.equal((await shop.call('GET', `/orders/${byChain.invoice}`)).body.state, 'completed')
  await sleep(300)
  await shop.close()
  assert.deepEqual(reconcile(folder, expectedBooks([byChain, byMessage])).differences, [])
})

test('the order API refuses what it cannot book, and says why', async (context) => {
  const shop = await openShop(context, temporaryFolder(context))
  shop.mode = 'asynchronous'
  const [first] = (await readInvoices(1)) as [Invoice]
  const refused = async (body: string, status: number, reason: RegExp): Promise<void> => {
    const answer = await shop.call('POST', '/orders', body)
    assert.equal(answer.status, status, body)
    assert.match(answer.body.error ?? '', reason)
  }
  await refused('{', 400, /JSON/)
  await refused(JSON.stringify({ ...first, quantity: 0 }), 422, /an invoice over nothing/)
  await refused(JSON.stringify({ ...first, invoice: 'C1' }), 422, /has a positive quantity/)
  await refused(JSON.stringify({ ...first, skus: ['x'.repeat(41)] }), 422, /skus\.0/)
  assert.equal((await shop.post(first)).status, 202)
  assert.deepEqual((await shop.post(first)).body.repeated, true)
  const batch = await shop.call('POST', '/orders/batch', [first, { ...first, invoice: '999' }].map((each) => JSON.stringify(each)).join('\n'))
  assert.deepEqual([batch.status, batch.body.accepted], [202, 1])
  assert.equal((await shop.call('GET', '/orders/nobody')).status, 404)
  assert.equal((await shop.call('GET', '/quote?sku=never-seen')).body.quotes?.[0]?.onHand, 240)
  assert.equal((await shop.call('POST', '/price-list', '{"surchargePercent":"5"}')).status, 422)
  assert.equal((await shop.call('POST', '/chain/shop.payment.taken', '{"id":"x","data":{}}')).status, 403, 'the chain is closed to strangers')
  assert.equal((await shop.call('GET', '/orders/1', undefined, { host: 'evil.example' })).status, 421)
})
