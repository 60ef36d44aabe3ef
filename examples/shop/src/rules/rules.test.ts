import assert from 'node:assert/strict'
import { test } from 'node:test'
import { invoicesTotal, readInvoices, replicate } from './input.ts'
import { demandOf, type Invoice, type InvoiceKind, invoiceSchema, isGoods, isReturnOf, splitUnits, UnbookableInvoice, unitsOf } from './invoice.ts'
import { paymentCourse } from './terms.ts'

const sale: Invoice = {
  invoice: '1',
  at: '2011-01-01T00:00:00Z',
  customer: '7',
  country: 'France',
  quantity: 10,
  unitPrice: 1.25,
  skus: ['85123A', 'POST', '71053', '85123A'],
}

test('every invoice of the data set has a kind, and every unit of it goes somewhere', async () => {
  const invoices = await readInvoices()
  assert.equal(invoices.length, invoicesTotal)
  const kinds = new Map<InvoiceKind, number>()
  for (const invoice of invoices) {
    const demand = demandOf(invoice)
    kinds.set(demand.kind, (kinds.get(demand.kind) ?? 0) + 1)
    assert.equal(unitsOf(demand.lines) + demand.serviceUnits, Math.abs(invoice.quantity), invoice.invoice)
  }
  // The data set's own counts: 3,836 C…, 3 A…, 1,336 write-offs and 762 finds without price or customer.
  assert.deepEqual(Object.fromEntries(kinds), { sale: 19_963, return: 3_836, adjustment: 3, 'write-off': 1_336, 'stock-found': 762 })
})

test('units are spread evenly, the remainder to the first lines; postage takes its share but moves no stock', () => {
  assert.deepEqual(splitUnits(sale), {
    lines: [
      { sku: '85123A', units: 5 },
      { sku: '71053', units: 2 },
    ],
    serviceUnits: 3,
  })
  assert.deepEqual(splitUnits({ ...sale, quantity: 1 }), { lines: [{ sku: '85123A', units: 1 }], serviceUnits: 0 })
})

test('fees, vouchers and manual entries are no goods; unknown codes are', () => {
  for (const code of ['POST', 'm', 'BANK CHARGES', 'gift_0001_40', 'CRUK']) assert.equal(isGoods(code), false, code)
  for (const code of ['85123A', 'PADS', 'DCGSSBOY', 'something new']) assert.equal(isGoods(code), true, code)
})

test('invoices that no rule covers are refused, not guessed', () => {
  assert.throws(() => demandOf({ ...sale, invoice: 'C1' }), UnbookableInvoice)
  assert.throws(() => demandOf({ ...sale, quantity: -1 }), UnbookableInvoice)
  assert.throws(() => demandOf({ ...sale, invoice: 'X1' }), UnbookableInvoice)
  assert.equal(invoiceSchema.safeParse({ ...sale, quantity: 0 }).success, false)
  assert.equal(invoiceSchema.safeParse({ ...sale, skus: [] }).success, false)
})

test('a return belongs to a sale that had all its codes and at least its units', () => {
  const returned = demandOf({ ...sale, invoice: 'C2', quantity: -4, skus: ['71053'] })
  assert.equal(isReturnOf(returned, { skus: new Set(['71053', '85123A']), units: 7 }), true)
  assert.equal(isReturnOf(returned, { skus: new Set(['71053']), units: 3 }), false)
  assert.equal(isReturnOf(returned, { skus: new Set(['85123A']), units: 7 }), false)
  assert.equal(isReturnOf(demandOf({ ...sale, invoice: 'C3', quantity: -1, skus: ['D'] }), { skus: new Set(['D']), units: 9 }), false)
})

test('the bank answers the same each time, and all its answers occur', async () => {
  const invoices = await readInvoices(2_000)
  const counts = { taken: 0, declined: 0, transfer: 0, 'never-paid': 0 }
  for (const invoice of invoices) counts[paymentCourse(invoice.invoice, 100)]++
  for (const [course, count] of Object.entries(counts)) assert.ok(count > 5, `${course}: ${count}`)
  assert.equal(paymentCourse('536365', 0), 'taken')
})

test('a burst has ids and customers of its own', () => {
  const copies = [...replicate([sale, { ...sale, invoice: 'C2', customer: null }], 5, 3)]
  assert.equal(new Set(copies.map((copy) => copy.invoice)).size, 5)
  assert.deepEqual(
    copies.map((copy) => copy.customer),
    ['7~b3.0', null, '7~b3.1', null, '7~b3.2'],
  )
  for (const copy of copies) assert.equal(invoiceSchema.safeParse(copy).success, true)
})
