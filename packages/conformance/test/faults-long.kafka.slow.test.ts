import { conformance } from '@sluice/conformance'
import { kafkaFaultOptions } from './kafka-options.ts'

conformance({ ...kafkaFaultOptions(), parts: ['faults'], faultMessages: 20_000 })
