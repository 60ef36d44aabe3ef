import { type ErrorCode, type ErrorScope, errorCodes } from './codes.ts'
import { redactDetails, redactError, redactUrls } from './redact.ts'

/** What a {@link SluiceError} carries beside its message. */
export interface SluiceErrorOptions {
  /** What led to it; kept as the standard `cause`, as a copy where it held a URL with credentials. */
  readonly cause?: unknown
  /** What the reader can do about it, as a sentence that names the option or command. */
  readonly fix?: string
  /** Facts for programs (ids, limits, names); never a payload, a secret or a credential. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** Known to every copy of the library that a process may hold. */
const brand: unique symbol = Symbol.for('sluice.error')

/**
 * The only class of error that Sluice throws. Branch on {@link SluiceError.code}, never on the text. Credentials of
 * URLs are taken out of the text, the details and the cause here, so that no caller can forget to.
 */
export class SluiceError extends Error {
  declare readonly name: 'SluiceError'
  /** Stable code, one documentation page each. */
  readonly code: ErrorCode
  /** What can be done about it, or undefined where the message says it all. */
  readonly fix: string | undefined
  /** Facts for programs. */
  readonly details: Readonly<Record<string, unknown>>

  static {
    // On the prototype, so that the first line of every stack says it, and printing an error does not repeat it.
    Object.defineProperty(SluiceError.prototype, 'name', { value: 'SluiceError', configurable: true, writable: true })
    Object.defineProperty(SluiceError.prototype, brand, { value: true })
  }

  constructor(code: ErrorCode, message: string, options: SluiceErrorOptions = {}) {
    const fix = options.fix === undefined || options.fix === '' ? undefined : redactUrls(options.fix)
    const text = redactUrls(message)
    // What a server said may end with a full stop of its own.
    super(
      fix === undefined ? `${code}: ${text}` : `${code}: ${text.endsWith('.') ? text : `${text}.`} ${fix}`,
      options.cause === undefined ? undefined : { cause: redactError(options.cause) },
    )
    this.code = code
    this.fix = fix
    this.details = options.details === undefined ? noDetails : redactDetails(options.details)
  }

  /** What must be given up because of this error: the call, the message, or the connection. */
  get scope(): ErrorScope {
    return errorCodes[this.code]?.scope ?? 'message'
  }

  /** For loggers that print JSON: everything but the stack. */
  toJSON(): object {
    const cause = this.cause instanceof Error ? { name: this.cause.name, message: this.cause.message } : undefined
    return { name: this.name, code: this.code, message: this.message, fix: this.fix, details: this.details, cause }
  }
}

const noDetails: Readonly<Record<string, unknown>> = Object.freeze({})

/**
 * Whether a value is a {@link SluiceError}, of the given code if one is given. Works across copies and versions of the
 * library, and never throws, whatever the value is.
 */
export function isSluiceError(value: unknown, code?: ErrorCode): value is SluiceError {
  try {
    return (
      typeof value === 'object' &&
      value !== null &&
      (value as { readonly [brand]?: unknown })[brand] === true &&
      (code === undefined || (value as SluiceError).code === code)
    )
  } catch {
    return false
  }
}

/** Turns whatever was thrown into an Error; never throws itself, whatever the value is. */
export function toError(value: unknown): Error {
  try {
    if (value instanceof Error) return value
    return new Error(typeof value === 'string' ? value : `thrown: ${String(value)}`)
  } catch {
    return new Error('thrown: a value that cannot be printed')
  }
}
