import { conformance } from '@sluice/conformance'
import { redisClusterFaults, redisClusterOptions } from './redis-cluster-options.ts'

// The first fault only: the others are in `npm run full`.
conformance({ ...redisClusterOptions, parts: ['faults'], faults: redisClusterFaults.slice(0, 1) })
