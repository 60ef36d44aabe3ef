import { spawn } from 'node:child_process'
import { existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Command } from './server.ts'

/** A process by its number and when it began, so that a number that was given away again is not taken for it. */
export interface ProcessId {
  readonly pid: number
  readonly started: string
}

/** When a process began, or undefined if there is none: a zombie is none. Linux: from /proc; elsewhere any live process is taken. */
export function startedAt(pid: number): string | undefined {
  if (!existsSync('/proc/self/stat')) {
    try {
      process.kill(pid, 0)
      return 'alive'
    } catch {
      return undefined
    }
  }
  const fields = statOf(String(pid))
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? undefined : fields?.[19]
}

export function isAlive({ pid, started }: ProcessId): boolean {
  return startedAt(pid) === started
}

/** User and group number of a user of the machine; undefined when we are not root (then everything runs as us). */
export function idsOf(user: string | undefined): { readonly uid: number; readonly gid: number } | undefined {
  if (user === undefined || process.getuid?.() !== 0) return undefined
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((entry) => entry.startsWith(`${user}:`))
  const [, , uid, gid] = line?.split(':') ?? []
  if (uid === undefined || gid === undefined) throw new Error(`there is no user ${user} on this machine`)
  return { uid: Number(uid), gid: Number(gid) }
}

/** Starts a process that outlives us, in a process group of its own; its output goes to the log. */
export function launch(command: Command, folder: string, log: string): ProcessId {
  const output = openSync(log, 'a')
  const child = spawn(command.program, command.args, {
    cwd: folder,
    // The benchmark's and the test runner's own settings are not the server's.
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', LC_ALL: 'C.UTF-8', HOME: folder, ...command.env },
    detached: true,
    stdio: ['ignore', output, output],
    ...idsOf(command.user),
  })
  if (child.pid === undefined) throw new Error(`cannot start ${command.program}`)
  child.on('error', () => {})
  child.unref()
  return { pid: child.pid, started: startedAt(child.pid) ?? 'gone' }
}

/** Ends a process and its group: by the signal, and by SIGKILL if it is still there after the given time. */
export async function end(id: ProcessId, signal: NodeJS.Signals, patienceMs: number): Promise<void> {
  if (!isAlive(id)) return
  send(id.pid, signal)
  for (const until = Date.now() + patienceMs; isAlive(id) && Date.now() < until; ) await sleep(20)
  // What the process started is in its group: nothing of it stays, even when the process itself has ended well.
  send(-id.pid, 'SIGKILL')
  for (const until = Date.now() + 5000; isAlive(id) || groupHolds(id.pid); await sleep(10)) {
    if (Date.now() > until) throw new Error(`process ${id.pid} does not end`)
  }
}

/**
 * Whether a thread of the group still runs. A process is a zombie as soon as its main thread is gone, while its other threads
 * hold its port, and its children its shared memory, for some milliseconds more: a successor would be refused. Linux only.
 */
function groupHolds(group: number): boolean {
  if (!existsSync('/proc/self/stat')) return false
  return readdirSync('/proc').some(
    (pid) => /^\d+$/.test(pid) && statOf(pid)?.[2] === String(group) && threadsOf(pid).some(([state]) => state !== 'Z' && state !== 'X'),
  )
}

function threadsOf(pid: string): string[][] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => statOf(`${pid}/task/${thread}`) ?? ['X'])
  } catch {
    return []
  }
}

/** The fields of a stat file from the state on, or undefined when its process is gone. */
function statOf(path: string): string[] | undefined {
  try {
    // The name in parentheses may hold spaces: fields are counted after it.
    return readFileSync(`/proc/${path}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
  } catch {
    return undefined
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Already gone.
  }
}

/** Runs a program to its end; throws with its output when it fails. */
export async function runToEnd(command: Command, folder: string): Promise<string> {
  const child = spawn(command.program, command.args, {
    cwd: folder,
    env: { ...process.env, ...command.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    ...idsOf(command.user),
  })
  let output = ''
  child.stdout.on('data', (text) => {
    output += text
  })
  child.stderr.on('data', (text) => {
    output += text
  })
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  if (code !== 0) throw new Error(`${command.program} ${command.args.join(' ')} ended with ${code}:\n${output.slice(-3000)}`)
  return output
}
