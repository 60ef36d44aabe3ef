export type { RetryPolicy } from './retry.ts'
