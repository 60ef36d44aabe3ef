import { conformance } from '@sluice/conformance'
import { redisOptions } from './redis-options.ts'

conformance({ ...redisOptions, parts: ['faults'], faultMessages: 20_000 })
