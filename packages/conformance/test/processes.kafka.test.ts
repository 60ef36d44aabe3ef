import { conformance } from '@sluice/conformance'
import { kafkaOptions } from './kafka-options.ts'

conformance({ ...kafkaOptions, parts: ['processes'] })
