import { redactError, redactUrls } from '../../errors/index.ts'
import type { ContextLogger, LogFields, Logger } from './logger.ts'

type Level = 'debug' | 'info' | 'warn' | 'error'

/**
 * The library's own way to log: (message, fields), whatever the application's logger takes. URLs of messages, texts and
 * errors (a driver's, a transport's) lose their credentials here. Never throws.
 */
export class Log implements ContextLogger {
  readonly #logger: Logger | undefined
  readonly #fieldsFirst: boolean
  readonly #fields: LogFields | undefined

  constructor(logger: Logger | undefined, fields?: LogFields) {
    this.#logger = logger
    this.#fieldsFirst = logger !== undefined && 'bindings' in logger && typeof logger.bindings === 'function'
    this.#fields = fields
  }

  /** A log whose lines carry these fields, too. */
  with(fields: LogFields): Log {
    return new Log(this.#logger, { ...this.#fields, ...fields })
  }

  debug(message: string, fields?: LogFields): void {
    this.#write('debug', message, fields)
  }

  info(message: string, fields?: LogFields): void {
    this.#write('info', message, fields)
  }

  warn(message: string, fields?: LogFields): void {
    this.#write('warn', message, fields)
  }

  error(message: string, fields?: LogFields): void {
    this.#write('error', message, fields)
  }

  #write(level: Level, message: string, fields: LogFields | undefined): void {
    const logger = this.#logger
    if (logger === undefined) return
    const all = this.#fields === undefined ? fields : { ...this.#fields, ...fields }
    try {
      const text = redactUrls(message)
      if (all === undefined) logger[level](text)
      else if (this.#fieldsFirst) logger[level](withoutSecrets(all), text)
      else logger[level](text, withoutSecrets(all))
    } catch {
      // A logger that fails must not fail the message it speaks of.
    }
  }
}

function withoutSecrets(fields: LogFields): LogFields {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, redactError(value)]))
}

/** The default logger: one line an event on stderr, from `info` on. */
export const stderrLogger: Logger = {
  debug: () => {},
  info: (message, fields) => line('info', message, fields),
  warn: (message, fields) => line('warn', message, fields),
  error: (message, fields) => line('error', message, fields),
}

function line(level: Level, message: unknown, fields: unknown): void {
  let text = `sluice ${level} ${String(message)}`
  if (typeof fields === 'object' && fields !== null) {
    for (const [name, value] of Object.entries(fields)) text += ` ${name}=${printed(value)}`
  }
  process.stderr.write(`${text}\n`)
}

function printed(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(value.message)
  try {
    return typeof value === 'string' && /^[\w.:/-]+$/.test(value) ? value : (JSON.stringify(value) ?? String(value))
  } catch {
    return '?'
  }
}
