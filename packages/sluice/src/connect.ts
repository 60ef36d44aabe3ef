import { type Connect, createConnect } from '@sluice/core'
import { transportTable } from './transports.ts'

/**
 * Opens a bus. Without a URL (option `url`, environment `SLUICE_URL`, `sluice.json`) messages go to the file
 * `.sluice/bus.db` at the root of the workspace or repository, which other processes open at the same time.
 * Sending works from here on; `start` begins consuming.
 *
 * @throws SluiceError UNKNOWN_TRANSPORT (names the package to install), INVALID_OPTION, INVALID_NAME, and what the
 * transport refuses with (a damaged file, wrong credentials …).
 */
export const connect: Connect = createConnect({ transports: transportTable() })
