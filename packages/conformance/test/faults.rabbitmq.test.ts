import { conformance } from '@sluice/conformance'
import { rabbitmqFaultOptions } from './rabbitmq-options.ts'

// Few messages each here, and many in the long run.
conformance({ ...rabbitmqFaultOptions(), parts: ['faults'], faultMessages: 400 })
