/** What every transport refuses in the same words. */
import { SluiceError } from '../errors/index.ts'

/** LEASE_LOST: what was to be settled, recorded, moved or read belongs to another consumer now. */
export function leaseLost(): SluiceError {
  return new SluiceError('LEASE_LOST', "another consumer owns this message's partition now", {
    fix: 'Nothing to do: it is delivered again there. If it happens often, handlers block the event loop for longer than the lease (the session time-out)',
  })
}

/** INVALID_OPTION: administration of a channel that is not there. */
export function unknownChannel(channel: string): SluiceError {
  return new SluiceError('INVALID_OPTION', `there is no channel "${channel}"`, { fix: 'bus.groups.list() names the channels and groups there are' })
}

/** INVALID_OPTION: administration of a group that is not there. */
export function unknownGroup(channel: string, group: string): SluiceError {
  return new SluiceError('INVALID_OPTION', `channel "${channel}" has no group "${group}"`, { fix: 'bus.groups.list() names the channels and groups there are' })
}

/** INVALID_OPTION: a group is to be removed that somebody consumes. */
export function groupInUse(channel: string, group: string, consumers: number): SluiceError {
  return new SluiceError('INVALID_OPTION', `group "${group}" of channel "${channel}" has ${consumers} live consumers`, {
    fix: 'Stop the services that consume it first',
  })
}

/** UNSUPPORTED: `SendOptions.transaction` for a server that cannot join a database's transaction. `server`: its name, for people. */
export function noTransactions(server: string): SluiceError {
  return new SluiceError('UNSUPPORTED', `${server} cannot join a transaction of the application`, {
    fix: 'Leave out tx, or route the channel to a file: URL whose database the application uses',
  })
}
