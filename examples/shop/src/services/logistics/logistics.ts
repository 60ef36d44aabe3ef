/** The logistics service: books the courier and says what is on its way. */
import { BookShipment, ShipmentDispatched } from '../../contracts/index.ts'
import { parcelsFor } from '../../rules/terms.ts'
import { onCommandAfter } from '../reaction.ts'
import type { ServiceDefinition } from '../service.ts'

/** See the head of this file. */
export const logisticsService: ServiceDefinition = {
  schema: 'CREATE TABLE IF NOT EXISTS shipments (order_id TEXT NOT NULL, country TEXT NOT NULL, parcels INTEGER NOT NULL)',
  create: (file, { courier }) => ({
    name: 'logistics',
    reactions: [
      onCommandAfter(
        BookShipment,
        ({ orderId, units }) => courier.perform(`${orderId}/book`, 'parcels', parcelsFor(units)),
        ({ orderId, country, units }, effects) => {
          const parcels = parcelsFor(units)
          file.run('INSERT INTO shipments (order_id, country, parcels) VALUES (?, ?, ?)', orderId, country, parcels)
          effects.emit(ShipmentDispatched, { orderId, parcels }, `${orderId}/dispatched`)
        },
      ),
    ],
    figures: () => ({ shipments: Number(file.get('SELECT max(rowid) AS n FROM shipments')?.n ?? 0) }),
  }),
}
