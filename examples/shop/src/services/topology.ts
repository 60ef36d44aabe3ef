/**
 * Who says what to whom. The synchronous chain routes by this table, the page draws it, and a test holds it against the
 * handlers that the services really register.
 */

import type { CommandContract, EventContract } from 'sluice'
import {
  AdjustLedger,
  BookShipment,
  CorrectStock,
  OrderCancelled,
  OrderCompleted,
  OrderPlaced,
  OrderRefunded,
  OrderReturned,
  PaymentDeclined,
  PaymentExpired,
  PaymentOverdue,
  PaymentRefunded,
  PaymentTaken,
  RefundPayment,
  ReplenishStock,
  ReservationFilled,
  ReservationMade,
  ShipmentDispatched,
  StockRanOut,
  StockReplenished,
  TakePayment,
  TransferArrived,
} from '../contracts/index.ts'

/** The six services, in the order of the chain. */
export const serviceNames = ['order', 'inventory', 'payment', 'logistics', 'notification', 'points'] as const

/** Name of a service; also of its process, its group and its business file. */
export type ServiceName = (typeof serviceNames)[number]

/** One contract's way: who sends it, and whose handlers take it (in the order in which the synchronous chain calls them). */
export interface Flow {
  readonly contract: EventContract | CommandContract
  readonly from: ServiceName
  readonly to: readonly ServiceName[]
}

/** Every flow but the broadcast price list (to all) and the quotation (a request). */
export const flows: readonly Flow[] = [
  { contract: OrderPlaced, from: 'order', to: ['inventory'] },
  { contract: OrderCancelled, from: 'order', to: ['inventory', 'notification'] },
  { contract: OrderCompleted, from: 'order', to: ['notification', 'points'] },
  { contract: OrderReturned, from: 'order', to: ['inventory'] },
  { contract: OrderRefunded, from: 'order', to: ['notification', 'points'] },
  { contract: CorrectStock, from: 'order', to: ['inventory'] },
  { contract: TakePayment, from: 'order', to: ['payment'] },
  { contract: RefundPayment, from: 'order', to: ['payment'] },
  { contract: AdjustLedger, from: 'order', to: ['payment'] },
  { contract: BookShipment, from: 'order', to: ['logistics'] },
  { contract: ReservationMade, from: 'inventory', to: ['order'] },
  { contract: ReservationFilled, from: 'inventory', to: ['order'] },
  { contract: StockRanOut, from: 'inventory', to: ['order'] },
  { contract: StockReplenished, from: 'inventory', to: ['order'] },
  { contract: ReplenishStock, from: 'inventory', to: ['inventory'] },
  { contract: TransferArrived, from: 'payment', to: ['payment'] },
  { contract: PaymentOverdue, from: 'payment', to: ['payment'] },
  { contract: PaymentTaken, from: 'payment', to: ['order'] },
  { contract: PaymentDeclined, from: 'payment', to: ['order'] },
  { contract: PaymentExpired, from: 'payment', to: ['order'] },
  { contract: PaymentRefunded, from: 'payment', to: ['order'] },
  { contract: ShipmentDispatched, from: 'logistics', to: ['order'] },
]

const byContract: ReadonlyMap<string, Flow> = new Map(flows.map((flow) => [flow.contract.name, flow]))

/** The flow of a contract. Throws for a name that is none of the shop's. */
export function flowOf(contractName: string): Flow {
  const flow = byContract.get(contractName)
  if (flow === undefined) throw new Error(`${contractName} is no contract of the shop`)
  return flow
}
