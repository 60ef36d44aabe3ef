/**
 * What Sluice needs of a logger: pino, winston, `console` and most others fit. pino takes (fields, message), the others
 * (message, fields); pino is recognised by its `bindings` method. No payload, key or credential is ever logged.
 */
export interface Logger {
  debug(first: unknown, second?: unknown): void
  info(first: unknown, second?: unknown): void
  warn(first: unknown, second?: unknown): void
  error(first: unknown, second?: unknown): void
}

/** Named facts beside a log line. */
export type LogFields = Readonly<Record<string, unknown>>

/** The logger of one handler call: lines carry the message's id, type, channel, group and attempt. */
export interface ContextLogger {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}
