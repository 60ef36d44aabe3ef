/**
 * Keeps credentials out of errors and logs. Where it is in doubt it hides too much: a password may hold every
 * character, `/` and `@` included, so everything up to the last `@` of a URL is taken for credentials.
 */

/** Stands where a secret stood. */
const hidden = '***'
/** Longest scheme looked for before `://`; bounds the work on hostile text. */
const schemeLengthMax = 32
const secretName =
  /^(?:.*[._-])?(?:password|passwd|pass|pwd|passphrase|secret|token|apikey|api[_-]?key|access[_-]?key(?:[_-]?id)?|secret[_-]?access[_-]?key|private[_-]?key|auth|authorization|credentials?|sig|signature|sas|jwt|bearer)$/i

/**
 * A URL without its password, secret parameters and fragment, fit for logs and errors:
 * `amqp://app:***@host/vhost?token=***`. Takes any text and never throws.
 */
export function redactUrl(url: string | URL): string {
  const text = String(url)
  // Without `//` (`memory:x?…`), and for files, there is no user; parameters may hold secrets all the same.
  const safe = text.includes('://') && !text.startsWith('file:') ? redactUrls(text) : redactParameters(text)
  const hash = safe.indexOf('#')
  return hash === -1 ? safe : safe.slice(0, hash)
}

/** The same for every URL inside a longer text, e.g. the message of a driver's error; the rest is left as it is. */
export function redactUrls(text: string): string {
  let at = text.indexOf('://')
  if (at === -1) return text
  let result = ''
  let copied = 0
  while (at !== -1) {
    const start = schemeStart(text, at)
    const end = endOfUrl(text, at + 3)
    // A file has no credentials, and stack traces are full of `file:///…/node_modules/@scope/…`.
    if (start < at && text.slice(start, at) !== 'file') {
      result += text.slice(copied, at + 3) + redactAfterScheme(text.slice(at + 3, end))
      copied = end
    }
    at = text.indexOf('://', Math.max(end, at + 3))
  }
  return result + text.slice(copied)
}

function schemeStart(text: string, end: number): number {
  let start = end
  while (start > 0 && end - start < schemeLengthMax && /[A-Za-z0-9+.-]/.test(text[start - 1] as string)) start--
  return start
}

function endOfUrl(text: string, from: number): number {
  let end = from
  while (end < text.length && !/\s/.test(text[end] as string)) end++
  return end
}

function redactAfterScheme(rest: string): string {
  const at = rest.lastIndexOf('@')
  if (at === -1) return redactParameters(rest)
  const user = /^[^:/?#@\s]*(?=:)/.exec(rest)?.[0]
  return `${user === undefined ? '' : `${user}:`}${hidden}@${redactParameters(rest.slice(at + 1))}`
}

function redactParameters(rest: string): string {
  const question = rest.indexOf('?')
  if (question === -1) return rest
  const query = rest
    .slice(question + 1)
    .replace(/([^=&;#]+)=([^&;#"'<>)\]}]*)/g, (whole, name: string) => (secretName.test(decode(name)) ? `${name}=${hidden}` : whole))
  return `${rest.slice(0, question)}?${query}`
}

function decode(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

/**
 * The facts of an error without secrets: URLs in texts, and texts whose name is a secret's. The same object where there
 * is nothing to hide. Looks at the first level only: deeper values are the program's own.
 */
export function redactDetails(details: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  let copy: Record<string, unknown> | undefined
  for (const [name, value] of Object.entries(details)) {
    const safe = redactFact(name, value)
    if (safe !== value) {
      copy ??= { ...details }
      copy[name] = safe
    }
  }
  return copy ?? details
}

function redactFact(name: string, value: unknown): unknown {
  if (value instanceof URL) return redactUrl(value)
  if (typeof value !== 'string') return value
  return secretName.test(name) ? hidden : redactUrls(value)
}

/**
 * What may be kept of a thrown value as a cause, or logged: the value itself, or, where its message or that of one of its causes holds a
 * URL with credentials, a copy without them (same name, code and stack). Never throws.
 */
export function redactError(cause: unknown, depth = 8): unknown {
  try {
    if (typeof cause === 'string') return redactUrls(cause)
    if (!(cause instanceof Error) || depth === 0) return cause
    const inner = cause.cause === undefined ? undefined : redactError(cause.cause, depth - 1)
    const message = redactUrls(String(cause.message))
    if (message === cause.message && inner === cause.cause) return cause
    const copy = new Error(message, inner === undefined ? undefined : { cause: inner })
    const code = (cause as { readonly code?: unknown }).code
    Object.defineProperty(copy, 'name', { value: cause.name, configurable: true, writable: true })
    Object.defineProperty(copy, 'stack', { value: redactUrls(String(cause.stack)), configurable: true, writable: true })
    return typeof code === 'string' || typeof code === 'number' ? Object.assign(copy, { code }) : copy
  } catch {
    return undefined
  }
}
