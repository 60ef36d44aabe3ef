import { conformance } from '@sluice/conformance'
import { rabbitmqFaultOptions } from './rabbitmq-options.ts'

conformance({ ...rabbitmqFaultOptions(), parts: ['faults'], faultMessages: 20_000 })
