/** The shop's terms of business: fixed figures that services and the expectation of the books share. */

/** What the bank says to a payment. Fixed by the order's id, so that every run and every retry hears the same. */
export type PaymentCourse = 'taken' | 'declined' | 'transfer' | 'never-paid'

/** 2% of the cards are declined, 2% pay later by bank transfer, 1% promise a transfer that never comes. Nothing to pay is always "taken". */
export function paymentCourse(orderId: string, amountPence: number): PaymentCourse {
  if (amountPence === 0) return 'taken'
  const share = fnv1a(orderId) % 100
  if (share < 2) return 'declined'
  if (share < 4) return 'transfer'
  return share === 4 ? 'never-paid' : 'taken'
}

/** A parcel holds 100 units. */
export function parcelsFor(units: number): number {
  return Math.ceil(units / 100)
}

/** One point for each whole pound. */
export function pointsFor(amountPence: number): number {
  return Math.floor(amountPence / 100)
}

/** Units of a stock code on the shelf when the shop opens. */
export const startUnits = 240
/** The supplier delivers whole lots of so many units. */
export const lotUnits = 480
/** How long the supplier takes, ms. */
export const supplierDelayMs = 300
/** When a bank transfer arrives after it was promised, ms. */
export const transferDelayMs = 400
/** When an unpaid order expires, ms. */
export const unpaidExpiryMs = 2_500

/** 32-bit FNV-1a over UTF-16 units, spread once more so that neighbouring invoice numbers fall far apart. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 12)) >>> 0
}
