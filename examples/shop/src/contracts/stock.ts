/** Stock: facts and tasks keyed by the stock code, a question about it, and the correction of a count. */
import { type CommandContract, channel, command, type EventContract, event, type RequestContract, request } from 'sluice'
import { z } from 'zod'

const sku = z.string()
const stock = channel('shop.stock', { key: (message: { sku: string }) => message.sku, partitions: 8 })

/** `change` counts the code's changes from 1. */
const changed = z.object({ sku, change: z.int().positive(), onHand: z.int() })
/** Data of {@link StockRanOut} and {@link StockReplenished}. */
export type StockChanged = z.infer<typeof changed>
/** An order had to wait for this code. */
export const StockRanOut: EventContract<StockChanged, StockChanged, 'shop.stock.ran-out'> = event('shop.stock.ran-out', changed, { channel: stock })
/** The supplier delivered. */
export const StockReplenished: EventContract<StockChanged, StockChanged, 'shop.stock.replenished'> = event('shop.stock.replenished', changed, {
  channel: stock,
})

const replenish = z.object({ sku })
/** Data of {@link ReplenishStock}. */
export type Replenish = z.infer<typeof replenish>
/** Book the supplier's delivery; sent with a delay when the code runs out. */
export const ReplenishStock: CommandContract<Replenish, Replenish, 'shop.supplier.deliver'> = command('shop.supplier.deliver', replenish, {
  key: (message) => message.sku,
})

const correction = z.object({
  correctionId: z.string(),
  sign: z.union([z.literal(1), z.literal(-1)]),
  lines: z.array(z.object({ sku, units: z.int().positive() })),
})
/** Data of {@link CorrectStock}. */
export type Correction = z.infer<typeof correction>
/** Stock was found (+1) or is gone (−1). */
export const CorrectStock: CommandContract<Correction, Correction, 'shop.stocktaking.correct'> = command('shop.stocktaking.correct', correction, {
  key: (message) => message.correctionId,
})

const question = z.object({ skus: z.array(sku).min(1).max(50) })
const answer = z.object({ priceListVersion: z.int(), quotes: z.array(z.object({ sku, onHand: z.int(), backordered: z.int(), unitPence: z.int() })) })
/** Question of {@link QuoteStock}. */
export type QuoteQuestion = z.infer<typeof question>
/** Reply of {@link QuoteStock}. */
export type QuoteAnswer = z.infer<typeof answer>
/** What is on the shelf, and at what price? */
export const QuoteStock: RequestContract<QuoteQuestion, QuoteQuestion, QuoteAnswer, QuoteAnswer, 'shop.quote'> = request('shop.quote', question, {
  reply: answer,
})
