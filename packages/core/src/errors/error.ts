import { type ErrorCode, errorCodes } from './codes.ts'

/** What a {@link SluiceError} carries beside its message. */
export interface SluiceErrorOptions {
  /** What led to it; kept as the standard `cause`. */
  readonly cause?: unknown
  /** What the reader can do about it, as a sentence that names the option or command. */
  readonly fix?: string
  /** Facts for programs (ids, limits, names); never a payload, a secret or a credential. */
  readonly details?: Readonly<Record<string, unknown>>
}

/** The only class of error that Sluice throws. Branch on {@link SluiceError.code}, never on the text. */
export class SluiceError extends Error {
  override readonly name = 'SluiceError'
  /** Stable code, one documentation page each. */
  readonly code: ErrorCode
  /** What can be done about it, or undefined where the message says it all. */
  readonly fix: string | undefined
  /** Facts for programs. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, message: string, options: SluiceErrorOptions = {}) {
    const fix = options.fix
    super(fix === undefined ? `${code}: ${message}` : `${code}: ${message}. ${fix}`, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    this.fix = fix
    this.details = options.details ?? {}
  }

  /** What must be given up because of this error: the call, the message, or the connection. */
  get scope(): 'call' | 'message' | 'connection' {
    return errorCodes[this.code].scope
  }
}

/** Whether a value is a {@link SluiceError}, of the given code if one is given. Works across copies of the library. */
export function isSluiceError(value: unknown, code?: ErrorCode): value is SluiceError {
  return value instanceof Error && value.name === 'SluiceError' && 'code' in value && (code === undefined || value.code === code)
}

/** Turns whatever was thrown into an Error; never throws itself, whatever the value is. */
export function toError(value: unknown): Error {
  if (value instanceof Error) return value
  try {
    return new Error(typeof value === 'string' ? value : `thrown: ${String(value)}`)
  } catch {
    return new Error('thrown: a value that cannot be printed')
  }
}
