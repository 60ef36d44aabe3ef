/** A process that uses a bus on Kafka, and so stands by to move delayed messages on, until it is killed. */
import { newId, systemClock } from '@sluice/core/transport'
import { transport } from '@sluice/kafka'

const [, , url = ''] = process.argv
const nobody = (): void => undefined
const open = await transport.open(url, {
  clock: systemClock,
  service: 'standby',
  instanceId: newId(),
  report: nobody,
  options: { kafka: { sessionMs: 2_500 } },
})
await open.consume(
  { channel: 'standby', group: 's', from: 'end', order: 'key', ephemeral: false, kind: 'events', types: ['t'], windowCount: 10, windowBytes: 10_000 },
  { assigned: nobody, revoking: async () => undefined, lost: nobody, lostDeliveries: nobody, lotChanged: nobody, paused: nobody, settlementLost: nobody },
)
process.send?.('ready')
