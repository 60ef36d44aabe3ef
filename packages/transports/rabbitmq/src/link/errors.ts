import { type ErrorCode, noConnection, SluiceError } from '@sluice/core/transport'

interface Coded {
  readonly code?: unknown
  readonly message: string
}

const otherScheme = 'Use amqps:// where the server speaks TLS, amqp:// where it does not; and check user and virtual host'

/** A failure to connect, said so that a person knows what to do. */
export function connectError(cause: unknown, where: string): SluiceError {
  const { code, message }: Coded = cause instanceof Error ? cause : { message: String(cause) }
  const failed = (what: string, fix: string, kind: ErrorCode = 'TRANSPORT_FAILED'): SluiceError =>
    new SluiceError(kind, `RabbitMQ at ${where}: ${what}`, { cause, fix })
  if (isUnreadableFile(cause)) return unreadable(cause.path, cause)
  // Before the server's own words: OpenSSL's text holds numbers of its own.
  if (typeof code === 'string' && (code === 'EPROTO' || code === 'ECONNRESET' || code.startsWith('ERR_SSL_')))
    return failed('it hung up during the opening', otherScheme)
  if (/ACCESS.REFUSED|403/.test(message)) {
    if (/vhost/i.test(message))
      return failed('the user may not use this virtual host', 'Run: rabbitmqctl set_permissions -p <vhost> <user> ".*" ".*" ".*"', 'TRANSPORT_FORBIDDEN')
    return failed(
      'the user name or the password is wrong',
      'Check both; the password may stand in a file: ?passwordFile=/run/secrets/rabbitmq',
      'TRANSPORT_UNAUTHENTICATED',
    )
  }
  // The server says the same of a virtual host that is not there and of one that is none of this user's business.
  // amqplib keeps its words to itself.
  if (/NOT.FOUND|access to vhost|530|NOT.ALLOWED|ConnectionOpenOk/i.test(message))
    return failed(
      'there is no such virtual host, or the user may not use it',
      'Create it: rabbitmqctl add_vhost <vhost>; grant it: rabbitmqctl set_permissions -p <vhost> <user> ".*" ".*" ".*"',
      'TRANSPORT_FORBIDDEN',
    )
  if (/handshake|Socket closed abruptly/i.test(message)) return failed('it hung up during the opening', otherScheme)
  if (typeof code !== 'string') return failed(message, otherScheme)
  return noConnection(cause, `RabbitMQ at ${where}`, 'rabbitmq', otherScheme)
}

function isUnreadableFile(cause: unknown): cause is Error & { readonly path: string } {
  return (
    cause instanceof Error && 'syscall' in cause && (cause.syscall === 'open' || cause.syscall === 'read') && 'path' in cause && typeof cause.path === 'string'
  )
}

/** The error of a file that an option or the URL names and that cannot be read. */
function unreadable(path: string, cause: unknown): SluiceError {
  return new SluiceError('INVALID_OPTION', `RabbitMQ: the file ${path} cannot be read`, {
    cause,
    fix: 'Correct ca, cert, key or passwordFile, or the rights of that file',
  })
}

/** What an operation on a channel failed with. */
export function operationError(cause: unknown, what: string): SluiceError {
  if (cause instanceof SluiceError) return cause
  const { code, message }: Coded = cause instanceof Error ? cause : { message: String(cause) }
  if (code === 403)
    return new SluiceError('TRANSPORT_FORBIDDEN', `RabbitMQ: the user may not ${what}`, {
      cause,
      fix: 'Grant it: rabbitmqctl set_permissions -p <vhost> <user> <configure> <write> <read>',
    })
  if (code === 406) return topologyConflict(cause, message, what)
  return new SluiceError('TRANSPORT_FAILED', `RabbitMQ: cannot ${what}: ${message}`, { cause })
}

const inequivalent = /inequivalent arg '([^']*)' for (queue|exchange) '([^']*)' .*: received (.+) but current is (.+?)"?$/

/** The server names one argument that differs. */
function topologyConflict(cause: unknown, message: string, what: string): SluiceError {
  const [, argument = '', kind = '', name = '', wanted = '', is = ''] = inequivalent.exec(message) ?? []
  if (argument === '')
    return new SluiceError('TOPOLOGY_CONFLICT', `RabbitMQ: cannot ${what}: it exists with other settings`, {
      cause,
      fix: 'Use the options it was made with, choose another prefix, or take it down by hand when it is empty',
    })
  const [current, asked] = [is, wanted].map((value) => /'([^']*)'/.exec(value)?.[1] ?? value)
  const option = argument === 'x-queue-type' && (current === 'quorum' || current === 'classic') ? `Use what it was made with (queues: '${current}')` : undefined
  return new SluiceError('TOPOLOGY_CONFLICT', `RabbitMQ: cannot ${what}: the ${kind} "${name}" has ${argument} ${current}, and ${asked} is wanted`, {
    cause,
    fix: `${option ?? 'Ask whoever made it'}, choose another prefix, or delete the ${kind} by hand when nothing is in it`,
  })
}

/** The error of what must be written while the server takes nothing; `alarm`: the server's word for it. */
export function alarmError(alarm: string): SluiceError {
  return new SluiceError('BACKPRESSURE', `RabbitMQ takes no messages: ${alarm}`, {
    fix: 'Let consumers empty its queues, or give it memory (vm_memory_high_watermark) or disk (disk_free_limit); it says more: rabbitmq-diagnostics alarms',
  })
}

/** Why a server of this version cannot be used; undefined: it can. Streams over AMQP, and quorum queues that expire: 3.10. */
export function tooOld(version: string, where: string): SluiceError | undefined {
  const [, major = '', minor = ''] = /^(\d+)\.(\d+)/.exec(version) ?? []
  if (major === '' || Number(major) > 3 || (Number(major) === 3 && Number(minor) >= 10)) return undefined
  return new SluiceError('SERVER_TOO_OLD', `RabbitMQ at ${where}: it is version ${version}, and 3.10 is needed`, { fix: 'Upgrade it' })
}

/** The error of whoever uses a transport after its end. */
export function closedError(): SluiceError {
  return new SluiceError('TRANSPORT_CLOSED', 'the RabbitMQ transport was closed')
}

/** The error of what was under way when the connection broke. */
export function brokenError(cause?: unknown): SluiceError {
  return new SluiceError('TRANSPORT_FAILED', 'the connection to RabbitMQ broke', { cause, fix: 'It is opened again by itself' })
}

/** Whether the server said that there is no such queue or exchange. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 404
}

/** Whether the server said that the queue is there, but not the node that has it: it begins, or is away. */
export function isHomeDown(error: unknown): boolean {
  return isNotFound(error) && error instanceof Error && error.message.includes('is down or inaccessible')
}

/** Whether the server said that the queue is exclusive to another connection. */
export function isLocked(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 405
}
