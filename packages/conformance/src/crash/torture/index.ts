export type { ActorPlace } from './actor-order.ts'
export type { PlaceAbilities, TorturePlan, TortureProfile } from './plan.ts'
export { type SwarmOptions, type SwarmTotals, summary, torture } from './swarm.ts'
