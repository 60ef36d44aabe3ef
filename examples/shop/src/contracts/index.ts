/** Every contract of the shop in one place: the only thing that the six services know of each other. */
export {
  type Cancelled,
  type Completed,
  OrderCancelled,
  OrderCompleted,
  OrderPlaced,
  OrderRefunded,
  OrderReturned,
  type Placed,
  type Refunded,
  type Returned,
} from './order.ts'
export {
  type Adjust,
  AdjustLedger,
  type Due,
  type PaidBack,
  PaymentDeclined,
  PaymentExpired,
  PaymentOverdue,
  PaymentRefunded,
  PaymentTaken,
  type Refund,
  RefundPayment,
  type Settled,
  type Take,
  TakePayment,
  TransferArrived,
} from './payment.ts'
export { type PriceList, PriceListChanged } from './price-list.ts'
export { type Filled, type Made, ReservationFilled, ReservationMade } from './reservation.ts'
export { type Book, BookShipment, type Dispatched, ShipmentDispatched } from './shipment.ts'
export {
  type Correction,
  CorrectStock,
  type QuoteAnswer,
  type QuoteQuestion,
  QuoteStock,
  type Replenish,
  ReplenishStock,
  type StockChanged,
  StockRanOut,
  StockReplenished,
} from './stock.ts'
