/**
 * What is kept and told of a value that somebody threw: into dead letters, logs and replies. The value is anybody's (a
 * driver's error, a string, a revoked proxy), so nothing here trusts it, and nothing here throws.
 */
import { hash } from 'node:crypto'
import type { ErrorScope } from './codes.ts'
import { isSluiceError } from './error.ts'
import { redactUrls } from './redact.ts'

const codeLengthMax = 64
const nameLengthMax = 128
const messageLengthMax = 2_048
const stackLengthMax = 8_192
const causesMax = 4

/** A thrown value as plain data: bounded, and without credentials of URLs. */
export interface ErrorRecord {
  /** Sluice's code, else the error's own (`ECONNREFUSED`), else its name; `Error` where it has none. At most 64 characters. */
  readonly code: string
  /** At most 128 characters. */
  readonly name: string
  /** At most 2,048 characters. */
  readonly message: string
  /** With the causes' names and messages at its end; at most 8,192 characters. undefined where there is none. */
  readonly stack: string | undefined
}

/** What is known about a thrown value without reading its text. */
export interface ErrorClass {
  /** As in {@link ErrorRecord.code}. */
  readonly code: string
  /** The blast radius; `message` for every error that is not Sluice's. */
  readonly scope: ErrorScope
}

/** Turns any thrown value into plain, bounded data. Never throws. */
export function describeError(value: unknown): ErrorRecord {
  const name = bounded(nameOf(value), nameLengthMax)
  const stack = text(value, 'stack')
  return {
    code: codeOf(value),
    name,
    message: bounded(redactUrls(messageOf(value)), messageLengthMax),
    stack: stack === undefined ? undefined : bounded(redactUrls(cutTo(stack, stackLengthMax)) + causesOf(value), stackLengthMax),
  }
}

/** Sorts a thrown value by code and blast radius. Never throws. */
export function classifyError(value: unknown): ErrorClass {
  let scope: ErrorScope = 'message'
  try {
    if (isSluiceError(value)) scope = value.scope
  } catch {
    // an imitation with a throwing getter: the smallest radius
  }
  return { code: codeOf(value), scope: scope === 'call' || scope === 'connection' ? scope : 'message' }
}

/**
 * 16 hexadecimal digits that are equal for occurrences of the same fault: a hash of code, name and the first stack frame
 * of the application's own code. Not of the message (it holds ids), of folders (they differ between machines), nor of
 * line numbers where the function has a name (they move with every release). Never throws.
 */
export function fingerprintOf(value: unknown): string {
  const stack = text(value, 'stack')
  const frame = stack === undefined ? '' : ownFrame(stack)
  return hash('sha256', `${codeOf(value)}\n${bounded(nameOf(value), nameLengthMax)}\n${frame}`, 'hex').slice(0, 16)
}

/** Reads one property as text, whatever the value and its getters do. */
function text(value: unknown, property: string): string | undefined {
  try {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined
    const found: unknown = (value as Record<string, unknown>)[property]
    return typeof found === 'string' ? found : undefined
  } catch {
    return undefined
  }
}

function nameOf(value: unknown): string {
  return text(value, 'name') || (typeof value === 'object' ? 'Error' : typeof value)
}

function codeOf(value: unknown): string {
  const code = text(value, 'code') || text(value, 'name') || 'Error'
  return bounded(/^[\w.:$ -]+$/.test(code) ? code : 'Error', codeLengthMax)
}

function messageOf(value: unknown): string {
  const message = text(value, 'message')
  if (message !== undefined) return cutTo(message, messageLengthMax)
  if (typeof value === 'string') return cutTo(value, messageLengthMax)
  // Objects may be anything, a payload too: their text is not repeated.
  if ((typeof value === 'object' && value !== null) || typeof value === 'function') return 'a value that is no Error was thrown'
  return `thrown: ${String(value)}`
}

function causesOf(value: unknown): string {
  let told = ''
  let current: unknown = value
  for (let depth = 0; depth < causesMax; depth++) {
    try {
      current = (current as { readonly cause?: unknown }).cause
    } catch {
      return told
    }
    if (current === undefined || current === null) return told
    told += `\ncaused by ${bounded(nameOf(current), nameLengthMax)}: ${cutTo(redactUrls(messageOf(current)), 512)}`
  }
  return told
}

/** Drops what would tear a log line, a terminal or a JSON reader apart, and bounds the length. */
function bounded(value: string, lengthMax: number): string {
  return cutTo(value, lengthMax)
    .toWellFormed()
    .replace(/[^\P{Cc}\n\t]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, ' ')
}

function cutTo(value: string, lengthMax: number): string {
  return value.length > lengthMax ? `${value.slice(0, lengthMax - 1)}…` : value
}

/** `at place (file:///srv/app/src/order.ts:12:7)` becomes `place src/order.ts`, without a name `src/order.ts:12`. */
function ownFrame(stack: string): string {
  let first = ''
  for (const line of cutTo(stack, stackLengthMax).split('\n')) {
    const frame = /^ {4}at (?:(.+?) \()?([^()]+?):(\d+):\d+\)?$/.exec(line)
    if (frame === null) continue
    const [, called, file = '', row] = frame
    const place = file.split(/[\\/]/).slice(-2).join('/')
    const name = called?.replace(/^async /, '')
    const told = name === undefined || name.includes('<anonymous>') ? `${place}:${row}` : `${name} ${place}`
    if (!file.startsWith('node:') && !/[\\/]node_modules[\\/]/.test(file)) return told
    first ||= told
  }
  return first
}
