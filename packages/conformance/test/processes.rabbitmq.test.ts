import { conformance } from '@sluice/conformance'
import { placeOfItsOwn, rabbitmqOptions } from './rabbitmq-options.ts'

// A frozen member is to be taken for dead while one waits.
conformance({ ...rabbitmqOptions, url: () => placeOfItsOwn(2), parts: ['processes'] })
