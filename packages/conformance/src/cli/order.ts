import type { Plan } from './plan.ts'

/** Names the environment variable that holds a {@link SuiteOrder} as JSON: node:test hands its files no arguments on every Node we support. */
export const orderVariable = 'SLUICE_CONFORMANCE_ORDER'

/** The last case of all. */
export const nothingLeft = 'life: after close no timer, socket or descriptor is left'

/** What the process that runs the cases is told. */
export interface SuiteOrder extends Plan {
  /** The transport's own name, of its facts. */
  readonly name: string
  /** It has a method `crash()`, which dies without a word. */
  readonly crashes: boolean
  /** Cases left out by name, each with the reason. */
  readonly skip: Readonly<Record<string, string>>
}
