import { conformance } from '@sluice/conformance'
import { redisOptions } from './redis-options.ts'

// A half-open connection is to be noticed while one waits; elsewhere a starved machine would look like one.
conformance({ ...redisOptions, options: { redis: { leaseMs: 2_500, replyTimeoutMs: 2_000 } }, parts: ['faults'] })
