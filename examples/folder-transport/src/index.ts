import type { TransportFactory } from '@sluice/core/transport'
import { FolderTransport } from './transport.ts'

/** `folder:./bus`: channels and groups as files of a folder, for one process at a time. */
export const transport: TransportFactory = {
  schemes: ['folder'],
  open: (url, context) => FolderTransport.open(url, context),
}
