import type { Contract } from '../../contract/index.ts'
import type { Transport } from '../../transport/index.ts'
import type { Sender } from '../sender/sender.ts'

/** One open transport with what the bus keeps beside it. */
export interface Route {
  /** Without credentials. */
  readonly url: string
  readonly transport: Transport
  readonly sender: Sender
  /** Largest message on this route, bytes. */
  readonly messageBytesMax: number
}

/** Where a contract's messages go. */
export interface ContractRoute {
  readonly contract: Contract
  readonly route: Route
  /** Calls whose data is still being validated (asynchronous schemas only): later calls of the channel wait behind them. */
  readonly order: { tail: Promise<void> | undefined }
}
