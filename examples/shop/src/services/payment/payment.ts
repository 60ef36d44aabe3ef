/**
 * The payment service: takes money through the bank, gives it back, and waits for transfers. All tasks of one order are
 * in one lane, delayed ones too, so a transfer (due first) is always seen before the order is called overdue.
 */
import type { BusinessFile, Effects } from '../../books/business-file.ts'
import {
  AdjustLedger,
  PaymentDeclined,
  PaymentExpired,
  PaymentOverdue,
  PaymentRefunded,
  PaymentTaken,
  RefundPayment,
  TakePayment,
  TransferArrived,
} from '../../contracts/index.ts'
import { paymentCourse, transferDelayMs, unpaidExpiryMs } from '../../rules/terms.ts'
import { onCommand, onCommandAfter } from '../reaction.ts'
import type { ServiceDefinition } from '../service.ts'

const schema = `
  CREATE TABLE IF NOT EXISTS accounts (order_id TEXT PRIMARY KEY, amount_pence INTEGER NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS bookings (cause TEXT NOT NULL, order_id TEXT NOT NULL, kind TEXT NOT NULL, amount_pence INTEGER NOT NULL);
`

function book(file: BusinessFile, cause: string, orderId: string, kind: 'taken' | 'refunded' | 'adjusted', amountPence: number): void {
  file.run('INSERT INTO bookings (cause, order_id, kind, amount_pence) VALUES (?, ?, ?, ?)', cause, orderId, kind, amountPence)
}

function openAccount(file: BusinessFile, orderId: string, amountPence: number, state: string): void {
  file.run('INSERT INTO accounts (order_id, amount_pence, state) VALUES (?, ?, ?)', orderId, amountPence, state)
}

// Moves a pending account on; false when it is settled already (a transfer that came, a late reminder).
function settle(file: BusinessFile, orderId: string, state: 'taken' | 'expired'): number | undefined {
  const row = file.get("UPDATE accounts SET state = ? WHERE order_id = ? AND state = 'pending' RETURNING amount_pence", state, orderId)
  return row === undefined ? undefined : Number(row.amount_pence)
}

/** See the head of this file. */
export const paymentService: ServiceDefinition = {
  schema,
  create: (file, { bank }) => ({
    name: 'payment',
    reactions: [
      onCommandAfter(
        TakePayment,
        async ({ orderId, amountPence }) => {
          const course = paymentCourse(orderId, amountPence)
          // Nothing to pay and promised transfers need no bank.
          if (amountPence > 0 && course === 'taken') await bank.perform(`${orderId}/take`, 'taken', amountPence)
          if (course === 'declined') await bank.perform(`${orderId}/take`, 'declined', 0)
          return course
        },
        ({ orderId, amountPence }, effects, course) => takeOrWait(file, orderId, amountPence, course, effects),
      ),
      onCommandAfter(
        RefundPayment,
        ({ returnId, amountPence }) => bank.perform(`${returnId}/refund`, 'refunded', -amountPence),
        ({ orderId, returnId, amountPence }, effects) => {
          book(file, `${returnId}/refund`, orderId, 'refunded', -amountPence)
          effects.emit(PaymentRefunded, { orderId, returnId }, `${returnId}/paid-back`)
        },
      ),
      onCommand(AdjustLedger, ({ orderId, amountPence }) => book(file, `${orderId}/adjust`, orderId, 'adjusted', amountPence)),
      onCommand(TransferArrived, ({ orderId }, effects) => {
        const amountPence = settle(file, orderId, 'taken')
        if (amountPence === undefined) return
        book(file, `${orderId}/take`, orderId, 'taken', amountPence)
        effects.emit(PaymentTaken, { orderId }, `${orderId}/taken`)
        effects.callOff(PaymentOverdue, `${orderId}/overdue`)
      }),
      onCommand(PaymentOverdue, ({ orderId }, effects) => {
        if (settle(file, orderId, 'expired') !== undefined) effects.emit(PaymentExpired, { orderId }, `${orderId}/expired`)
      }),
    ],
    figures: () => ({ bookings: Number(file.get('SELECT max(rowid) AS n FROM bookings')?.n ?? 0) }),
  }),
}

function takeOrWait(file: BusinessFile, orderId: string, amountPence: number, course: ReturnType<typeof paymentCourse>, effects: Effects): void {
  if (course === 'taken') {
    openAccount(file, orderId, amountPence, 'taken')
    book(file, `${orderId}/take`, orderId, 'taken', amountPence)
    effects.emit(PaymentTaken, { orderId }, `${orderId}/taken`)
  } else if (course === 'declined') {
    openAccount(file, orderId, amountPence, 'declined')
    effects.emit(PaymentDeclined, { orderId }, `${orderId}/declined`)
  } else {
    openAccount(file, orderId, amountPence, 'pending')
    if (course === 'transfer') effects.emit(TransferArrived, { orderId }, `${orderId}/transfer`, transferDelayMs)
    effects.emit(PaymentOverdue, { orderId }, `${orderId}/overdue`, unpaidExpiryMs)
  }
}
