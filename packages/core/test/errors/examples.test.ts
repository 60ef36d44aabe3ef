/** The example on an error's page is what the library really says: produced here, compared to the letter. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { after, test } from 'node:test'
import { z } from 'zod'
import { channel, command, connect, type ErrorCode, event, isSluiceError, request, typed } from '../../src/index.ts'

const folder = path.resolve(import.meta.dirname, '../../../../docs/reference/errors')
const bus = await connect({ service: 'a', url: 'memory:', logger: false })
after(() => bus.stop())

const order = z.object({ orderId: z.string(), total: z.number() })
const Placed = event('shop.order.placed', order)
const Loose = event('shop.order.note', z.looseObject({}))
const Quote = request('shop.price.quote', typed<{ sku: string }>(), { reply: typed<number>() })

const nested = (levels: number): unknown => (levels === 0 ? 1 : { inner: nested(levels - 1) })

/** What provokes each error. Codes that need a broken disk, a broker or a race are left to the tests that have them. */
const provoke: Partial<Record<ErrorCode, () => unknown>> = {
  INVALID_OPTION: () => event('shop.order.placed', order, { chanel: 'x' } as never),
  INVALID_NAME: () => event('orders/placed', order),
  CONTRACT_CONFLICT: async () => {
    bus.on(Placed, () => undefined)
    bus.handle(command('shop.order.ship', order, { channel: channel('shop.order') }), () => undefined)
  },
  UNSUPPORTED: () => bus.publish(Placed, { orderId: 'A1', total: 1 }, { tx: {} }),
  BUS_STOPPED: async () => {
    const stopped = await connect({ service: 'a', url: 'memory:', logger: false })
    await stopped.stop()
    await stopped.publish(Placed, { orderId: 'A1', total: 1 })
  },
  VALIDATION_FAILED: () =>
    bus.publish(event('shop.order.placed', z.object({ lines: z.array(z.object({ quantity: z.number() })), currency: z.string() })), {
      lines: [{ quantity: 1 }, { quantity: 'two' }],
      currency: 7,
    } as never),
  NOT_SERIALIZABLE: () => bus.publish(Loose, { placedAt: new Date() }),
  MESSAGE_TOO_LARGE: () => bus.publish(event('shop.blob', typed<string>()), 'a'.repeat(1_310_720)),
  MESSAGE_TOO_DEEP: () => bus.publish(Loose, { data: nested(70) }),
  INVALID_HEADER: () => bus.publish(Placed, { orderId: 'A1', total: 1 }, { headers: { note: 'a\r\nb: c' } }),
  INVALID_ATTRIBUTE: () => bus.publish(event('shop.order.placed', order, { key: () => '' }), { orderId: 'A1', total: 1 }),
  UNROUTED: () => bus.publish(event('shop.audit.written', order, { unrouted: 'error' }), { orderId: 'A1', total: 1 }),
  ABORTED: () => bus.request(Quote, { sku: 'a' }, { signal: AbortSignal.abort() }),
  NO_HANDLER: () => bus.request(Quote, { sku: 'a' }),
}

for (const [code, run] of Object.entries(provoke)) {
  test(`the example of ${code} is what the library says`, async () => {
    const error: unknown = await Promise.resolve()
      .then(run)
      .then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
    assert.ok(isSluiceError(error, code as ErrorCode), `got ${error}`)
    const example = /## Example\n\n```text\n(.*)\n```\n$/s.exec(readFileSync(path.join(folder, `${code}.md`), 'utf8'))?.[1]
    assert.equal(String(error), example)
  })
}
