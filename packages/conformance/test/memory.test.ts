import { conformance } from '@sluice/conformance'
import { MemoryTransport, memoryTransport } from '@sluice/core/transport'

let places = 0

conformance({
  name: 'memory',
  transport: memoryTransport,
  url: async () => ({ url: `memory:conformance-${++places}` }),
  crash: (transport) => {
    if (transport instanceof MemoryTransport) transport.crash()
  },
})
