/**
 * Reads what strace wrote: every system call on the files of one folder, with its bytes, as an interval in one total
 * order. strace stops a thread before the call and after it, and writes a line at both: the real call lies between.
 * So a call whose end stands before another's beginning was over when that one began, and nothing else is concluded.
 */
import { basename } from 'node:path'

/** A system call that changed, or made durable, something in the folder. */
export interface Operation {
  readonly kind: 'write' | 'truncate' | 'sync' | 'open' | 'unlink' | 'mark'
  /** Thread that made it. */
  readonly thread: number
  /** Name of the file in the folder; '' is the folder itself. */
  readonly name: string
  /** The descriptor leads to a file that has no name any more. */
  readonly nameless: boolean
  /** Line at which it began. */
  readonly begin: number
  /** Line at which it was over; Infinity: its thread died in it. */
  end: number
  /** `write`, `mark`: its bytes (after a short write: those written). */
  data: Buffer
  /** `write`: where; `truncate`: the new size; `open`: 1 creates what is missing, 3 also empties it. */
  readonly offset: number
  outcome: 'done' | 'failed' | 'injected' | 'unknown'
}

/** A run as it was recorded. */
export interface Trace {
  readonly operations: readonly Operation[]
  /** Number of lines: later than everything. */
  readonly length: number
}

/** The calls to record. `mmap` is not among them: only `-shm` is mapped, and that does not outlive a power cut. */
export const tracedCalls: string =
  'pwrite64,pwritev,pwritev2,write,writev,ftruncate,truncate,fallocate,unlink,unlinkat,rename,renameat,renameat2,link,linkat,fsync,fdatasync,sync_file_range,openat,creat'

const linePattern = /^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()/

/** Parses a recording of the folder. `marks`: name of the file whose writes say what was promised. */
export function parseTrace(text: string, folder: string, marks: string): Trace {
  const operations: Operation[] = []
  const open = new Map<number, Operation | undefined>()
  let line = 0
  let from = 0
  while (from < text.length) {
    const newline = text.indexOf('\n', from)
    const until = newline === -1 ? text.length : newline
    const raw = text.slice(from, until)
    from = until + 1
    line++
    const match = linePattern.exec(raw)
    if (match === null) continue
    const thread = Number(match[1])
    if (match[2] !== undefined) {
      const operation = open.get(thread)
      open.delete(thread)
      if (operation !== undefined) finish(operation, raw, line)
      continue
    }
    const unfinished = raw.endsWith('<unfinished ...>')
    const operation = begun(match[3] as string, raw, thread, line, folder, marks)
    if (operation !== undefined) operations.push(operation)
    if (unfinished) open.set(thread, operation)
    else if (operation !== undefined) finish(operation, raw, line)
  }
  return { operations, length: line + 1 }
}

function finish(operation: Operation, raw: string, line: number): void {
  const result = /.*\) += (-?\d+)/s.exec(raw)
  // "= ?": killed in the call.
  if (result === null) return
  operation.end = line
  const value = Number(result[1])
  if (raw.endsWith('(INJECTED)') && value >= 0) operation.outcome = 'injected'
  else if (value < 0) operation.outcome = 'failed'
  else {
    operation.outcome = 'done'
    if (operation.kind === 'write' && value < operation.data.length) operation.data = operation.data.subarray(0, value)
  }
}

function begun(call: string, raw: string, thread: number, line: number, folder: string, marks: string): Operation | undefined {
  const args = raw.slice(raw.indexOf('(') + 1)
  const make = (kind: Operation['kind'], path: string, nameless: boolean, offset = 0, data: Buffer = Buffer.alloc(0)): Operation | undefined => {
    if (path !== folder && !path.startsWith(`${folder}/`)) return undefined
    const name = path === folder ? '' : path.slice(folder.length + 1)
    return { kind, thread, name, nameless, begin: line, end: Infinity, data, offset, outcome: 'unknown' }
  }
  if (call === 'openat' || call === 'unlink' || call === 'unlinkat' || call === 'creat') {
    const path = /"((?:[^"\\]|\\.)*)"/.exec(args)?.[1]
    if (path === undefined) return undefined
    if (call !== 'openat') return make(call === 'creat' ? 'open' : 'unlink', path, false, 3)
    const flags = args.slice(args.indexOf('"', args.indexOf(path) + path.length))
    if (!flags.includes('O_CREAT')) return undefined
    return make('open', path, false, flags.includes('O_TRUNC') && !flags.includes('O_EXCL') ? 3 : 1)
  }
  const target = /^\d+<([^>]*)>(\(deleted\))?/.exec(args)
  if (target === null) return undefined
  const stripped = (target[1] as string).replace(/ ?\(deleted\)$/, '')
  const nameless = target[2] !== undefined || stripped !== target[1]
  const inside = stripped === folder || stripped.startsWith(`${folder}/`)
  if (!inside) return undefined
  switch (call) {
    case 'fsync':
    case 'fdatasync':
      return make('sync', stripped, nameless)
    case 'ftruncate':
      return make('truncate', stripped, nameless, Number(/, (\d+)/.exec(args)?.[1]))
    case 'write':
    case 'pwrite64': {
      const data = bytes(args)
      if (basename(stripped) === marks) return make('mark', stripped, nameless, 0, data)
      // Its position is known only for the doorbell and the marks: nobody else writes without one.
      const offset = call === 'write' ? 0 : Number(/, \d+, (\d+)(?:\)| <unf)/.exec(args.slice(args.lastIndexOf('"')))?.[1])
      return make('write', stripped, nameless, offset, data)
    }
    default:
      throw new Error(`the recorder does not know what ${call} does to ${stripped}`)
  }
}

/** The string argument: hexadecimal if it is not all text (`-x`), else with the escapes of C. */
function bytes(args: string): Buffer {
  const from = args.indexOf('"') + 1
  let until = args.indexOf('"', from)
  while (args[until - 1] === '\\') until = args.indexOf('"', until + 1)
  if (args.startsWith('...', until + 1)) throw new Error('a write was longer than what strace shows (-s)')
  const raw = args.slice(from, until)
  if (raw.startsWith('\\x')) return Buffer.from(raw.replaceAll('\\x', ''), 'hex')
  return Buffer.from(
    raw.replace(/\\([0-7]{1,3}|.)/g, (_, code: string) => escapes[code] ?? (/^\d/.test(code) ? String.fromCharCode(Number.parseInt(code, 8)) : code)),
    'latin1',
  )
}

const escapes: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', v: '\v', f: '\f' }
