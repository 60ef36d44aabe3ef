import { conformance } from '@sluice/conformance'
import { rabbitmqOptions } from './rabbitmq-options.ts'

conformance({ ...rabbitmqOptions, parts: ['faults'], faultMessages: 20_000 })
