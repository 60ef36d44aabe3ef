import { clusterFaults, conformance } from '@sluice/conformance'
import { ownServer } from './own-server.ts'
import { rabbitmqOptions } from './rabbitmq-options.ts'

conformance({
  ...rabbitmqOptions,
  name: 'rabbitmq, three nodes',
  parts: ['faults'],
  faults: clusterFaults,
  faultMessages: 20_000,
  server: () => ownServer('rabbitmq-cluster'),
})
