import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { createGunzip } from 'node:zlib'
import { type Invoice, invoiceSchema } from './invoice.ts'

/** Invoices in the data set. */
export const invoicesTotal = 25_900

/** Where the data set lies. */
export const dataFile: URL = new URL('../../data/online-retail-orders.jsonl.gz', import.meta.url)

/** Reads the first `count` invoices (default: all) in time order. Throws with the line number when one is damaged. */
export async function readInvoices(count: number = invoicesTotal): Promise<readonly Invoice[]> {
  const invoices: Invoice[] = []
  const bytes = createReadStream(dataFile)
  const lines = createInterface({ input: bytes.pipe(createGunzip()), crlfDelay: Number.POSITIVE_INFINITY })
  for await (const line of lines) {
    if (invoices.length >= count) break
    const parsed = invoiceSchema.safeParse(JSON.parse(line))
    if (!parsed.success) throw new Error(`line ${invoices.length + 1} of ${dataFile.pathname} is no invoice: ${parsed.error.message}`)
    invoices.push(parsed.data)
  }
  lines.close()
  bytes.destroy()
  return invoices
}

/** Copies of the invoices under new ids and customers, so that they are orders of their own: `536365` → `536365~b1.0`. */
export function* replicate(invoices: readonly Invoice[], count: number, burst: number): Generator<Invoice> {
  for (let made = 0; made < count; made++) {
    const original = invoices[made % invoices.length] as Invoice
    const copy = `~b${burst}.${Math.floor(made / invoices.length)}`
    yield { ...original, invoice: original.invoice + copy, customer: original.customer === null ? null : original.customer + copy }
  }
}
