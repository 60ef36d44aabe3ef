export { type Clock, systemClock, type Timer } from './clock.ts'
export { newId } from './ids.ts'
export { ManualClock } from './manual.ts'
export { type Random, seededRandom } from './random.ts'
