/**
 * What an invoice of the data set is, and what it asks of the shop. Pure functions of the input: the order service and
 * the independent expectation of the books (books/expected.ts) share these rules and nothing else.
 */
import { z } from 'zod'

/** One line of the data set, checked. `customer` is null for anonymous ones (the data says null or "NaN"). */
export interface Invoice {
  readonly invoice: string
  /** RFC 3339. */
  readonly at: string
  readonly customer: string | null
  readonly country: string
  /** Total over all lines; negative for returns and write-offs. */
  readonly quantity: number
  /** Mean price of a unit in pounds. */
  readonly unitPrice: number
  readonly skus: readonly string[]
}

/** Sale: someone buys. Return: a cancellation (`C…`). Count: stock found or written off. Adjustment: money only (`A…`). */
export type InvoiceKind = 'sale' | 'return' | 'stock-found' | 'write-off' | 'adjustment'

/** Units of one stock code; never negative, the kind says the direction. */
export interface Line {
  readonly sku: string
  readonly units: number
}

/** An invoice as the services see it. */
export interface Demand {
  readonly id: string
  readonly kind: InvoiceKind
  readonly customer: string | null
  readonly country: string
  readonly at: string
  /** Goods only, one entry a stock code, in order of first appearance, none with 0 units. */
  readonly lines: readonly Line[]
  /** Units that went to codes that are no goods (postage, discount, fees …): money moves, stock does not. */
  readonly serviceUnits: number
  /** Sales, returns: not negative. Adjustments: signed. Whole pence. */
  readonly amountPence: number
  /** Mean price of a unit, pence, rounded; the price list's newest quotation. */
  readonly unitPence: number
}

const stockCodesMax = 2000

/** The shape of an invoice at the door of the order API. Unknown fields are dropped, wrong ones are refused. */
export const invoiceSchema: z.ZodType<Invoice, unknown> = z.object({
  invoice: z.string().regex(/^[A-Z]?\d{1,9}(~[a-z0-9.]{1,20})?$/, 'an invoice number: digits, perhaps a leading C or A'),
  at: z.iso.datetime(),
  customer: z.union([z.string().regex(/^[\w~.]{1,40}$/), z.null()]).transform((customer) => (customer === 'NaN' ? null : customer)),
  country: z.string().max(60),
  quantity: z
    .int()
    .min(-1_000_000)
    .max(1_000_000)
    .refine((quantity) => quantity !== 0, 'an invoice over nothing'),
  unitPrice: z.number().min(-1_000_000).max(1_000_000),
  skus: z.array(z.string().min(1).max(40)).min(1).max(stockCodesMax),
})

// Postage, carriage, fees, discounts, samples, bad debt, charity and vouchers. Every other code is goods, so that an
// unknown code is counted rather than lost.
const serviceCodes: ReadonlySet<string> = new Set(['POST', 'DOT', 'C2', 'M', 'D', 'S', 'B', 'BANK CHARGES', 'AMAZONFEE', 'CRUK'])

/** Whether a stock code names something that lies on a shelf. */
export function isGoods(code: string): boolean {
  const upper = code.toUpperCase()
  return !serviceCodes.has(upper) && !upper.startsWith('GIFT_')
}

/** Why an invoice cannot be booked at all; the order API answers 422 with it. */
export class UnbookableInvoice extends Error {}

/** Sorts an invoice into its kind. Throws {@link UnbookableInvoice} for combinations that no rule covers. */
export function kindOf(invoice: Invoice): InvoiceKind {
  const letter = invoice.invoice.charAt(0)
  if (letter === 'A') return 'adjustment'
  if (letter === 'C') {
    if (invoice.quantity < 0) return 'return'
    throw new UnbookableInvoice(`cancellation ${invoice.invoice} has a positive quantity`)
  }
  if (letter > '9') throw new UnbookableInvoice(`invoice ${invoice.invoice} begins with a letter that has no meaning`)
  if (invoice.unitPrice < 0) throw new UnbookableInvoice(`invoice ${invoice.invoice} has a negative price`)
  if (invoice.quantity < 0) {
    if (invoice.unitPrice === 0) return 'write-off'
    throw new UnbookableInvoice(`invoice ${invoice.invoice} takes goods back for money, which only a cancellation (C…) may`)
  }
  return invoice.unitPrice === 0 && invoice.customer === null ? 'stock-found' : 'sale'
}

/**
 * The invoice's total quantity over its lines: evenly, the remainder one by one to the first lines (the data carries no
 * quantity per line). Lines of codes that are no goods take their share but move no stock.
 */
export function splitUnits(invoice: Invoice): { readonly lines: readonly Line[]; readonly serviceUnits: number } {
  const total = Math.abs(invoice.quantity)
  const count = invoice.skus.length
  const base = Math.floor(total / count)
  const remainder = total - base * count
  const bySku = new Map<string, number>()
  let serviceUnits = 0
  invoice.skus.forEach((sku, position) => {
    const units = base + (position < remainder ? 1 : 0)
    if (!isGoods(sku)) serviceUnits += units
    else if (units > 0) bySku.set(sku, (bySku.get(sku) ?? 0) + units)
  })
  return { lines: Array.from(bySku, ([sku, units]) => ({ sku, units })), serviceUnits }
}

/** Everything the services need to know of an invoice. Throws {@link UnbookableInvoice}. */
export function demandOf(invoice: Invoice): Demand {
  const kind = kindOf(invoice)
  const { lines, serviceUnits } = kind === 'adjustment' ? { lines: [], serviceUnits: Math.abs(invoice.quantity) } : splitUnits(invoice)
  const signedPence = Math.round(invoice.quantity * invoice.unitPrice * 100)
  return {
    id: invoice.invoice,
    kind,
    customer: invoice.customer,
    country: invoice.country,
    at: invoice.at,
    lines,
    serviceUnits,
    amountPence: kind === 'adjustment' ? signedPence : Math.abs(signedPence),
    unitPence: Math.round(Math.abs(invoice.unitPrice) * 100),
  }
}

/**
 * Whether a cancellation can be of this earlier sale of the same customer: every returned stock code was in it, and not
 * more units come back than went out. The shop takes the newest sale for which this holds; a cancellation without
 * goods, or of an anonymous customer, is of no known sale.
 */
export function isReturnOf(returned: Demand, sale: { readonly skus: ReadonlySet<string>; readonly units: number }): boolean {
  if (returned.lines.length === 0 || unitsOf(returned.lines) > sale.units) return false
  return returned.lines.every((line) => sale.skus.has(line.sku))
}

/** Units over all lines. */
export function unitsOf(lines: readonly Line[]): number {
  return lines.reduce((sum, line) => sum + line.units, 0)
}
