export { type ChaosCounts, type ChaosOptions, chaosTransport } from './chaos.ts'
export { type Tampering, tamper } from './tamper.ts'
