import { SluiceError } from '../errors/index.ts'
import { headerCountMax, headerNameBytesMax, headerTotalBytesMax } from './limits.ts'
import { utf8Length } from './utf8.ts'

// A token of RFC 9110 in lower case: the common denominator of HTTP, AMQP, Kafka, NATS and JMS clients.
const headerName = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
// Prefixes under which attributes, or a transport's own bookkeeping, travel on some transport.
const reservedName = /^(?:ce[-_]|cloudevents|sluice[-_.]|content-(?:type|encoding|length)$|transfer-encoding$|__proto__$)/
/** Header under which an extension attribute that this version does not know is kept: `ce-` and its name. */
export const extensionHeader: RegExp = /^ce-([a-z0-9]{1,64})$/
const lineBreaking = /[\r\n\0]/

/**
 * Checks the headers that an application gave.
 * @throws SluiceError INVALID_HEADER: a name that is no lower-case token of 1–128 characters, or is reserved (`ce-…`,
 * `ce_…`, `cloudevents…`, `sluice-…`, `content-type` …: no header can set an attribute); a value that is not text,
 * has CR, LF, NUL or an unpaired surrogate; more than 128; more than 32 KiB together
 */
export function checkHeaders(headers: Readonly<Record<string, string>>): void {
  checkHeaderSet(headers, 'application')
}

/** As {@link checkHeaders}; headers of a `message` on its way may also hold unknown extension attributes (`ce-…`). */
export function checkHeaderSet(headers: Readonly<Record<string, unknown>>, origin: 'application' | 'message'): void {
  if (typeof headers !== 'object' || headers === null || Array.isArray(headers)) throw invalid(undefined, 'the headers are not an object of texts')
  let count = 0
  let bytes = 0
  for (const name of Object.keys(headers)) {
    if (++count > headerCountMax) throw invalid(undefined, `there are more than ${headerCountMax} headers`)
    const fault = headerNameFault(name, origin)
    if (fault !== undefined) throw invalid(name, `the header name ${shownName(name)} ${fault}`)
    const value = headers[name]
    if (!isHeaderValue(value)) throw invalid(name, `the value of the header ${shownName(name)} is not text without CR, LF and NUL`)
    bytes += name.length + (value.length > headerTotalBytesMax ? value.length : utf8Length(value))
    if (bytes > headerTotalBytesMax) throw invalid(name, `the headers are larger than ${headerTotalBytesMax} bytes together`)
  }
}

/** Why a name is not allowed, or undefined. */
export function headerNameFault(name: string, origin: 'application' | 'message'): string | undefined {
  if (name.length === 0 || name.length > headerNameBytesMax) return `is not of 1 to ${headerNameBytesMax} characters`
  if (!headerName.test(name)) return 'has a character that is not allowed (use lower-case letters, digits and -._)'
  if (!reservedName.test(name)) return undefined
  if (origin === 'message' && extensionHeader.test(name) && !knownAttribute(name.slice(3))) return undefined
  return 'is reserved: headers cannot set attributes'
}

/** Whether a value can be a header's. */
export function isHeaderValue(value: unknown): value is string {
  return typeof value === 'string' && !lineBreaking.test(value) && value.isWellFormed()
}

// Written out, not taken from attributes.ts, which imports this file; a test compares the two.
const known: ReadonlySet<string> = new Set(
  'id type source time subject datacontenttype datacontentencoding dataschema partitionkey sequence schemaversion correlationid causationid traceparent tracestate expirytime notbefore attempt tags replyto replyfor producerid producerepoch producerseq specversion data data_base64 sluiceheaders'.split(
    ' ',
  ),
)

/** Whether an attribute of this name has a meaning to Sluice, so that no header may carry it. */
export function knownAttribute(name: string): boolean {
  return known.has(name)
}

function invalid(name: string | undefined, message: string): SluiceError {
  return new SluiceError('INVALID_HEADER', message, { details: name === undefined ? {} : { header: shownName(name) } })
}

// A name that is not allowed may be anything: only its well-behaved part is printed.
function shownName(name: string): string {
  return name === '' ? '""' : name.slice(0, headerNameBytesMax).replace(/[^!-~]/g, '?')
}
