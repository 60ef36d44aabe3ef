import { conformance } from '@sluice/conformance'
import { kafkaFaultOptions } from './kafka-options.ts'

// A server takes ten seconds to start: few messages each, and many in the long run.
conformance({ ...kafkaFaultOptions, parts: ['faults'], faultMessages: 400 })
