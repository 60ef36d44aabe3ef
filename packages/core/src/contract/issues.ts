/**
 * How a failed validation is told without telling the data. Errors travel into logs, dead letters and consoles, where
 * payloads have no business; schema libraries differ: valibot and arktype quote the received value in their messages.
 */
import { SluiceError } from '../errors/index.ts'
import { printable } from './names.ts'
import type { StandardIssue } from './standard-schema.ts'

/** Issues listed in one error, at most; the rest is counted. */
const issuesMax = 10
const pathSegmentsMax = 16
const messageLengthMax = 200
const leavesMax = 2_000
const scrubLengthMax = 65_536
/** Libraries whose `expected` comes from the schema alone, as their sources say. */
const statedBySchema: ReadonlySet<string> = new Set(['zod', 'valibot'])

/** One issue as it stands in `error.details.issues`. */
export interface ReportedIssue {
  /** Where, e.g. `lines[3].quantity`; empty for the value itself. */
  readonly path: string
  /** What was expected there; never what was found. */
  readonly message: string
}

/**
 * The VALIDATION_FAILED error of a value: at most {@link issuesMax} issues, each with its path and what was expected.
 * `what` says whose data it is, e.g. `the data of shop.order.placed`. Never throws.
 */
export function validationFailed(what: string, contract: string, data: unknown, issues: readonly StandardIssue[], vendor: string): SluiceError {
  let values: readonly string[] | undefined | 'not collected' = 'not collected'
  const scrub = (text: string): string => {
    if (values === 'not collected') values = quotableValues(data)
    return values === undefined || text.length > scrubLengthMax ? 'is not valid' : withoutValues(text, values)
  }
  const listed = issues.slice(0, issuesMax).map((issue): ReportedIssue => {
    const expected = expectation(issue)
    if (expected === undefined) return { path: pathText(issue), message: cut(scrub(textOf(issue))) }
    return { path: pathText(issue), message: cut(statedBySchema.has(vendor) ? expected : scrub(withoutWas(expected))) }
  })
  const more = issues.length - listed.length
  const text = listed.map((issue) => `${issue.path === '' ? 'the value' : issue.path}: ${issue.message}`).join('; ')
  return new SluiceError('VALIDATION_FAILED', `${what} does not satisfy its schema: ${text}${more > 0 ? `; and ${more} more` : ''}`, {
    details: { contract, vendor, issues: listed, issueCount: issues.length },
  })
}

/** What the library states apart from its message: valibot and arktype for most issues, zod for types. */
function expectation(issue: StandardIssue): string | undefined {
  try {
    const expected = (issue as { readonly expected?: unknown }).expected
    return typeof expected === 'string' && expected !== '' ? `expected ${expected}` : undefined
  } catch {
    return undefined
  }
}

/** arktype's expectation of a union quotes what was found: `e must be "a" or "b" (was "…")`. The rest of it goes, too. */
function withoutWas(expected: string): string {
  const was = expected.indexOf(' (was ')
  return was === -1 ? expected : expected.slice(0, was)
}

function textOf(issue: StandardIssue): string {
  try {
    return typeof issue.message === 'string' ? issue.message : 'is not valid'
  } catch {
    return 'is not valid'
  }
}

/**
 * Every text or number inside the data that a message could quote, longest first; undefined where there are too many
 * to look for: then the message is not repeated at all.
 */
function quotableValues(data: unknown): readonly string[] | undefined {
  const values = new Set<string>()
  const waiting: unknown[] = [data]
  for (let visited = 0; waiting.length > 0; visited++) {
    if (visited > leavesMax) return undefined
    const value = waiting.pop()
    // Two characters and less say nothing, and would tear every message apart.
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') {
      const text = String(value)
      if (text.length > 2) values.add(text).add(JSON.stringify(text).slice(1, -1))
    } else if (value instanceof Date) {
      if (!Number.isNaN(value.getTime())) values.add(value.toISOString()).add(String(value))
    } else if (typeof value === 'object' && value !== null) {
      try {
        for (const inner of Object.values(value)) waiting.push(inner)
      } catch {
        return undefined
      }
    }
    if (waiting.length > leavesMax) return undefined
  }
  return [...values].sort((a, b) => b.length - a.length)
}

function withoutValues(message: string, values: readonly string[]): string {
  let text = message
  for (const value of values) if (text.includes(value)) text = text.replaceAll(value, '…')
  return text
}

function pathText(issue: StandardIssue): string {
  try {
    const path = issue.path ?? []
    let text = ''
    for (const step of path.slice(0, pathSegmentsMax)) {
      const key = typeof step === 'object' && step !== null ? step.key : step
      if (typeof key === 'number') text += `[${key}]`
      else if (typeof key === 'string' && /^[A-Za-z_$][\w$]{0,59}$/.test(key)) text += text === '' ? key : `.${key}`
      else text += `[${printable(typeof key === 'symbol' ? 'symbol' : String(key))}]`
    }
    return path.length > pathSegmentsMax ? `${text}…` : text
  } catch {
    return ''
  }
}

/** One line, bounded: a message may quote a pattern, or whatever the schema's author wrote. */
function cut(message: string): string {
  const line = message.replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ')
  return line.length > messageLengthMax ? `${line.slice(0, messageLengthMax)}…` : line
}
