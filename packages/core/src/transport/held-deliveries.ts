import { leaseLost } from './refusals.ts'
import type { Delivery } from './transport.ts'

/** A delivery that knows whether its consumer can still settle it. */
export interface HeldDelivery extends Delivery {
  /** `lost`: another one owns it now, though the core does not know yet. */
  state: 'held' | 'settled' | 'lost'
}

/**
 * Settles by `how`, which changes the state, each that is still held; what was settled before is left alone. Those that were lost
 * meanwhile are told to `late`, behind the code that runs now: it is for `ConsumerObserver.settlementLost`.
 */
export function settleHeld<D extends HeldDelivery>(deliveries: readonly Delivery[], how: (delivery: D) => void, late: (lost: readonly D[]) => void): void {
  const lost: D[] = []
  for (const delivery of deliveries as readonly D[]) {
    if (delivery.state === 'held') how(delivery)
    else if (delivery.state === 'lost') lost.push(delivery)
  }
  if (lost.length > 0) queueMicrotask(() => late(lost))
}

/** For what is done with all of them or not at all. Throws LEASE_LOST where one is not held any more. */
export function mustHold<D extends HeldDelivery>(deliveries: readonly Delivery[]): readonly D[] {
  const held = deliveries as readonly D[]
  if (held.some(({ state }) => state !== 'held')) throw leaseLost()
  return held
}
