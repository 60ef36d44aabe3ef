import { conformance } from '@sluice/conformance'
import { kafkaFaultOptions } from './kafka-options.ts'

// Few messages each here, and many in the long run.
conformance({ ...kafkaFaultOptions(), parts: ['faults'], faultMessages: 400 })
