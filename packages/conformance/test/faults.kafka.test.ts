import { conformance } from '@sluice/conformance'
import { kafkaOptions } from './kafka-options.ts'

// Through the proxy, whatever the broker says of its address; a half-open connection is to be noticed while one waits.
conformance({ ...kafkaOptions, options: { kafka: { sessionMs: 2_500, replyTimeoutMs: 3_000, tunnel: true } }, parts: ['faults'] })
