/** Results for people. */
import type { Balance } from '../books/reconcile.ts'
import type { Comparison, Measured } from './compare.ts'
import type { OnceResult } from './once.ts'

const number = new Intl.NumberFormat('en')

function pounds(pence: number): string {
  return `£${number.format(pence / 100)}`
}

/** Prints the outcome of `--once`. */
export function printOnce(result: OnceResult): void {
  const { reconciliation: books } = result
  const account = (what: string, balance: Balance, format: (value: number) => string = number.format): string =>
    `  ${balance.balanced ? 'ok ' : 'NOT'}  ${what.padEnd(34)} ${format(balance.actual).padStart(16)}   expected ${format(balance.expected)}`
  const lines = [
    `${number.format(result.ordersIn)} orders in ${result.seconds} s: ${Object.entries(result.states)
      .map(([state, count]) => `${number.format(count)} ${state}`)
      .join(', ')}`,
    `${number.format(result.messagesHandled)} messages handled, ${number.format(result.messagesPerSecond)}/s; order API p50 ${result.orderApi.p50Ms} ms, p99 ${result.orderApi.p99Ms} ms`,
    `effects ${Object.entries(result.effects)
      .map(([service, count]) => `${service} ${number.format(count)}`)
      .join(', ')}`,
    `doubled ${result.doubledEffects}, lost ${result.lost}, unexplained ${result.unexplained}, out of order ${result.outOfOrder}, dead letters ${result.deadLetters}; redelivered without effect ${result.redeliveries}, provider calls repeated without effect ${result.providerRepeats}`,
    ...(result.chaosSeed === null ? [] : [`${result.kills} services killed (--chaos --seed ${result.chaosSeed})`]),
    account('money, net', books.moneyPence, pounds),
    account('money, the bank’s own ledger', books.bankPence, pounds),
    account('stock units, without supplies', books.stockUnits),
    `  ${books.suppliedLots.balanced ? 'ok ' : 'NOT'}  ${'lots from the supplier'.padEnd(34)} ${number.format(books.suppliedLots.actual).padStart(16)}   expected ${books.suppliedLots.atLeast} to ${books.suppliedLots.atMost}`,
    account('points', books.points),
    account('parcels', books.parcels),
    account('parcels, the courier’s own ledger', books.courierParcels),
    account('messages to customers', books.mails),
    account('messages, the SMS ledger', books.smsSent),
    ...result.differences.map((difference) => `  ! ${difference}`),
    result.balanced ? 'The books balance.' : result.worked ? 'The books do NOT balance.' : 'Not everything was worked off in time; the books do NOT balance.',
  ]
  console.log(lines.join('\n'))
}

/** Prints the outcome of `--compare`. */
export function printComparison(comparison: Comparison): void {
  const row = ({ mode, latencies, p50Ms, p99Ms, count }: Measured): string =>
    `${mode.padEnd(14)} ${`${latencies.payment} + ${latencies.courier} + ${latencies.sms}`.padEnd(18)} ${String(p50Ms).padStart(9)} ${String(p99Ms).padStart(9)} ${String(count).padStart(7)}`
  const { withLatency, withoutLatency } = comparison
  console.log(
    [
      `order API, ${comparison.customers} customers at once; simulated providers: payment + courier + SMS, the same in both modes`,
      `mode           providers, ms         p50 ms    p99 ms  orders`,
      row(withLatency.synchronous),
      row(withLatency.asynchronous),
      `  synchronous ÷ asynchronous: ${withLatency.ratioP50} × at p50, ${withLatency.ratioP99} × at p99`,
      row(withoutLatency.synchronous),
      row(withoutLatency.asynchronous),
      `  synchronous ÷ asynchronous: ${withoutLatency.ratioP50} × at p50, ${withoutLatency.ratioP99} × at p99`,
      comparison.balanced ? 'The books of all four balance.' : 'The books do NOT balance.',
    ].join('\n'),
  )
}
