import type { TransportFactory } from '@sluice/core/transport'
import { FileTransport } from './file-transport.ts'

/** Opens `file:` URLs: the durable bus on one machine, in one SQLite file, with no server. */
export const transport: TransportFactory = {
  schemes: ['file'],
  open: (url, context) => FileTransport.open(url, context),
  maintenance: async () => (await import('./maintenance/maintenance.ts')).maintenance,
}

export type { EmbeddedOptions } from './options.ts'
export type { SqliteConnection, SqliteFactory, SqliteStatement, SqliteValue } from './sqlite/connection.ts'
