import { SluiceError } from '@sluice/core/transport'

interface Coded {
  readonly code?: unknown
  readonly message: string
}

/** A failure to connect, said so that a person knows what to do. */
export function connectError(cause: unknown, where: string): SluiceError {
  const { code, message }: Coded = cause instanceof Error ? cause : { message: String(cause) }
  const failed = (what: string, fix: string): SluiceError => new SluiceError('TRANSPORT_FAILED', `RabbitMQ at ${where}: ${what}`, { cause, fix })
  if (/ACCESS.REFUSED|403/.test(message)) {
    if (/vhost/i.test(message)) return failed('the user may not use this virtual host', 'Run: rabbitmqctl set_permissions -p <vhost> <user> ".*" ".*" ".*"')
    return failed('the user name or the password is wrong', 'Check both; the password may stand in a file: ?passwordFile=/run/secrets/rabbitmq')
  }
  if (/NOT.FOUND|no access to vhost|530|NOT.ALLOWED/i.test(message)) return failed('there is no such virtual host', 'Create it: rabbitmqctl add_vhost <vhost>')
  if (code === 'ECONNREFUSED') return failed('nobody listens there', 'Start the server, or correct the host and port of the URL')
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return failed('the host is unknown', 'Correct the host of the URL')
  if (typeof code === 'string' && /CERT|SELF_SIGNED|UNABLE_TO/.test(code))
    return failed(`the server's certificate is not trusted (${code})`, 'Name the authority that signed it: ?ca=/path/to/ca.pem')
  if (/handshake|Socket closed abruptly|EPROTO|wrong version/i.test(message))
    return failed('it hung up during the opening', 'Use amqps:// where the server speaks TLS, amqp:// where it does not; and check user and virtual host')
  return failed(message, 'See the cause')
}

/** What an operation on a channel failed with. */
export function operationError(cause: unknown, what: string): SluiceError {
  if (cause instanceof SluiceError) return cause
  const { code, message }: Coded = cause instanceof Error ? cause : { message: String(cause) }
  if (code === 403)
    return new SluiceError('TRANSPORT_FAILED', `RabbitMQ: the user may not ${what}`, {
      cause,
      fix: 'Grant it: rabbitmqctl set_permissions -p <vhost> <user> <configure> <write> <read>',
    })
  if (code === 406)
    return new SluiceError('GUARANTEE_UNAVAILABLE', `RabbitMQ: cannot ${what}: it exists with other settings`, {
      cause,
      fix: 'Take it down by hand when it is empty, or choose another prefix; Sluice deletes nothing that it did not make so',
    })
  return new SluiceError('TRANSPORT_FAILED', `RabbitMQ: cannot ${what}: ${message}`, { cause })
}

/** The error of whoever uses a transport after its end. */
export function closedError(): SluiceError {
  return new SluiceError('TRANSPORT_CLOSED', 'the RabbitMQ transport was closed')
}

/** The error of what was under way when the connection broke. */
export function brokenError(cause?: unknown): SluiceError {
  return new SluiceError('TRANSPORT_FAILED', 'the connection to RabbitMQ broke', { cause, fix: 'It is opened again by itself' })
}

/** The error of whoever settles what it no longer holds. */
export function leaseLost(): SluiceError {
  return new SluiceError('LEASE_LOST', 'the delivery was taken away before it was settled', {
    fix: 'It will be delivered again; an inbox makes its effects happen once',
  })
}

/** Whether the server said that there is no such queue or exchange. */
export function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 404
}
