/**
 * The test kit: services in memory under a clock that tests move, with what they published and handled.
 *
 * ```ts
 * const kit = await createTestKit({ service: 'inventory' })
 * kit.bus.on(OrderPlaced, reserveStock)
 * await kit.bus.start()
 * await kit.bus.publish(OrderPlaced, { orderId: 'A1', total: 42 })
 * await kit.drained()
 * kit.assertHandled(OrderPlaced, { orderId: 'A1' })
 * await kit.stop()
 * ```
 */
export { ManualClock, type Random, seededRandom } from '../clock/index.ts'
export { createTestKit, type DrainOptions, type TestKit, type TestKitOptions } from './kit.ts'
export type { HandledMessage, PublishedMessage } from './recorder.ts'
