/**
 * Every error code of Sluice, with what it means in one line.
 *
 * The union {@link ErrorCode} is derived from this table; `docs/reference/errors/<CODE>.md` holds one page a code, and a
 * test ties the two together both ways. `scope` is the blast radius: what must be given up because of it.
 */
export const errorCodes = {
  // configuration and start-up
  INVALID_OPTION: { scope: 'call', summary: 'an option has a value that cannot work' },
  INVALID_NAME: { scope: 'call', summary: 'a contract, channel, group or service name is not allowed' },
  CONTRACT_CONFLICT: { scope: 'call', summary: 'two contracts or handlers contradict each other' },
  UNKNOWN_TRANSPORT: { scope: 'call', summary: 'no transport is installed for the scheme of this URL' },
  GUARANTEE_UNAVAILABLE: { scope: 'call', summary: 'a handler asks for a promise that its route cannot keep' },
  UNSUPPORTED: { scope: 'call', summary: 'this transport cannot do what was asked' },
  BUS_STOPPED: { scope: 'call', summary: 'the bus was stopped and can no longer be used' },
  // messages
  VALIDATION_FAILED: { scope: 'message', summary: "the data does not satisfy the contract's schema" },
  NOT_SERIALIZABLE: { scope: 'message', summary: 'the data would not survive its codec unchanged' },
  UNDECODABLE: { scope: 'message', summary: 'the bytes of a message cannot be decoded' },
  MESSAGE_TOO_LARGE: { scope: 'message', summary: 'the message is larger than the limit' },
  MESSAGE_TOO_DEEP: { scope: 'message', summary: 'the data is nested deeper than the limit' },
  INVALID_HEADER: { scope: 'message', summary: 'a header name or value is not allowed' },
  INVALID_ATTRIBUTE: { scope: 'message', summary: 'a message attribute (id, key, subject, time …) is not allowed' },
  UNSUPPORTED_ENCODING: { scope: 'message', summary: 'the content encoding or content type is not supported' },
  NEWER_VERSION: { scope: 'message', summary: 'the message was written by a newer version of its contract' },
  NO_UPCAST: { scope: 'message', summary: 'no upcaster leads from this older version to the current one' },
  UPCAST_FAILED: { scope: 'message', summary: 'an upcaster of the contract threw' },
  UNKNOWN_TYPE: { scope: 'message', summary: 'a command has no handler in its own group' },
  // publishing
  PUBLISH_FAILED: { scope: 'message', summary: 'the message was certainly not accepted' },
  PUBLISH_UNKNOWN: { scope: 'message', summary: 'the confirm never came: the message may or may not be stored' },
  PUBLISH_PARTIAL: { scope: 'message', summary: 'some entries of a batch were not confirmed' },
  NOT_SENT: { scope: 'message', summary: 'not sent, because an earlier message of the same key failed' },
  UNROUTED: { scope: 'message', summary: 'no group asks for this event, and unrouted is set to error' },
  BACKPRESSURE: { scope: 'message', summary: 'the publish buffer or the store is full' },
  ABORTED: { scope: 'call', summary: "the caller's signal was aborted" },
  // requests
  REQUEST_TIMEOUT: { scope: 'call', summary: 'no reply came in time' },
  NO_HANDLER: { scope: 'call', summary: 'nobody handles this request' },
  REQUEST_REJECTED: { scope: 'call', summary: 'the handler of the request failed for good' },
  // handling
  HANDLER_FAILED: { scope: 'message', summary: 'the handler threw' },
  HANDLER_TIMEOUT: { scope: 'message', summary: 'the handler did not finish within its time-out' },
  REJECTED: { scope: 'message', summary: 'the handler rejected the message' },
  SETTLEMENT_LOST: { scope: 'message', summary: 'the outcome of a delivery could not be recorded; it may be delivered again' },
  // transports
  TRANSPORT_CLOSED: { scope: 'connection', summary: 'the transport was closed' },
  TRANSPORT_FAILED: { scope: 'connection', summary: 'the transport failed and cannot go on' },
  TRANSPORT_UNTRUSTED: { scope: 'connection', summary: "the server's certificate is not trusted, or is not that of this host" },
  TRANSPORT_UNAUTHENTICATED: { scope: 'connection', summary: 'the server does not know this user, or the password is wrong' },
  TRANSPORT_FORBIDDEN: { scope: 'connection', summary: 'the user may not do what the transport needs' },
  TOPOLOGY_CONFLICT: { scope: 'connection', summary: 'what the transport needs exists already with other settings' },
  SERVER_TOO_OLD: { scope: 'connection', summary: 'the server is too old for what the transport needs' },
  STORE_FULL: { scope: 'connection', summary: 'the disk or the bus file is full' },
  STORE_READ_ONLY: { scope: 'connection', summary: 'the bus file or its folder cannot be written' },
  STORE_CORRUPT: { scope: 'connection', summary: 'the bus file is damaged' },
  STORE_BUSY: { scope: 'call', summary: 'another process holds the write lock of the bus file for too long' },
  STORE_NEWER_FORMAT: { scope: 'connection', summary: 'the bus file was written by a newer Sluice' },
  STORE_NOT_A_BUS: { scope: 'connection', summary: 'the file is not a Sluice bus file' },
  STORE_NETWORK_FILESYSTEM: { scope: 'connection', summary: 'the bus file is on a network file system' },
  STORE_SYNC_FAILED: { scope: 'connection', summary: 'the operating system could not write the bus file to the disk' },
  SQLITE_UNSOUND: { scope: 'connection', summary: 'this SQLite has a known corruption bug' },
  SQLITE_TWO_LIBRARIES: { scope: 'call', summary: "the transaction's connection belongs to another SQLite library" },
  LEASE_LOST: { scope: 'message', summary: 'another consumer took over what this delivery belonged to' },
} as const

/**
 * The blast radius of an error: what must be given up because of it. `call`: what was asked, nothing else. `message`: this
 * one message. `connection`: the connection to this transport, until it is healed or a person helps.
 */
export type ErrorScope = 'call' | 'message' | 'connection'

/** The code of a {@link SluiceError}: stable, documented one page each, safe to branch on. */
export type ErrorCode = keyof typeof errorCodes
