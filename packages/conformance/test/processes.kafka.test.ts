import { conformance } from '@sluice/conformance'
import { kafkaOptions } from './kafka-options.ts'

// Two at once: whoever joins after a death waits until the dead one's session has ended.
conformance({ ...kafkaOptions, parts: ['processes'], concurrency: 2 })
