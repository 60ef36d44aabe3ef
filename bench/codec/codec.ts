/**
 * What the JSON codec's checks cost beside the bare engine: `node bench/codec/codec.ts`. Aims: encoding ≤ 1.5 ×
 * JSON.stringify, decoding ≤ 1.2 × JSON.parse, for an order of some 180 bytes. Best of rounds that alternate.
 */
import { jsonCodec } from 'sluice'

const order = {
  orderId: 'A-1000023',
  customerId: 'C-17850',
  placedAt: '2010-12-01T08:26:00Z',
  currency: 'GBP',
  total: 139.12,
  lines: [{ sku: '85123A', quantity: 6, price: 2.55 }],
  note: 'please',
}
const catalogue = { lines: Array.from({ length: 300 }, (_, i) => ({ sku: `S${i}`, quantity: i, price: 0.5 + i / 7, description: 'some "words" here' })) }
const orderText = JSON.stringify(order)
const catalogueText = JSON.stringify(catalogue)

const measured: Readonly<Record<string, { readonly rounds: number; readonly run: () => unknown }>> = {
  'JSON.stringify': { rounds: 100_000, run: () => JSON.stringify(order) },
  encode: { rounds: 100_000, run: () => jsonCodec.encode(order) },
  'JSON.parse': { rounds: 100_000, run: () => JSON.parse(orderText) },
  decode: { rounds: 100_000, run: () => jsonCodec.decode(orderText) },
  'JSON.stringify, 300 lines': { rounds: 1_000, run: () => JSON.stringify(catalogue) },
  'encode, 300 lines': { rounds: 1_000, run: () => jsonCodec.encode(catalogue) },
  'JSON.parse, 300 lines': { rounds: 1_000, run: () => JSON.parse(catalogueText) },
  'decode, 300 lines': { rounds: 1_000, run: () => jsonCodec.decode(catalogueText) },
}

const bestNs = new Map<string, number>()
let kept: unknown
for (let turn = 0; turn < 9; turn++) {
  for (const [name, { rounds, run }] of Object.entries(measured)) {
    const began = process.hrtime.bigint()
    for (let i = 0; i < rounds; i++) kept = run()
    const ns = Number(process.hrtime.bigint() - began) / rounds
    bestNs.set(name, Math.min(ns, bestNs.get(name) ?? Number.POSITIVE_INFINITY))
  }
}
const ns = (name: string): number => bestNs.get(name) as number
console.log(`order of ${orderText.length} bytes, catalogue of ${catalogueText.length} bytes, Node ${process.version}${kept === undefined ? '' : ''}`)
for (const [name] of bestNs) console.log(`${name.padEnd(28)} ${ns(name).toFixed(0).padStart(8)} ns`)
console.log(
  `encode / JSON.stringify  ${(ns('encode') / ns('JSON.stringify')).toFixed(2)} (300 lines: ${(ns('encode, 300 lines') / ns('JSON.stringify, 300 lines')).toFixed(2)})`,
)
console.log(
  `decode / JSON.parse      ${(ns('decode') / ns('JSON.parse')).toFixed(2)} (300 lines: ${(ns('decode, 300 lines') / ns('JSON.parse, 300 lines')).toFixed(2)})`,
)
