/** Records a run of real processes under strace. */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Image } from './disk.ts'
import { marksName } from './marks.ts'
import { parseTrace, type Trace, tracedCalls } from './trace.ts'

/** A run to be recorded. */
export interface Recording {
  /** Folder of its own. */
  readonly folder: string
  readonly seed: number
  /** What the disk holds at first. Default: nothing. */
  readonly base?: Image
  /** Further options of strace, such as `inject=…`. */
  readonly inject?: readonly string[]
  /** Environment of the processes, beside this one's. */
  readonly environment?: Readonly<Record<string, string>>
  /** Size of the run; 1 is about 1,500 messages. */
  readonly scale?: number
}

const scriptPath = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './script.ts' : './script.js', import.meta.url))

/** Runs the script under strace and reads what it recorded. The folder keeps the recording as `trace`. */
export async function record({ folder, seed, base, inject = [], environment = {}, scale = 1 }: Recording): Promise<Trace> {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const bus = `${folder}/bus`
  mkdirSync(bus, { mode: 0o700 })
  for (const [name, content] of base ?? []) writeFileSync(`${bus}/${name}`, content, { mode: 0o600 })
  const strace = ['-f', '--seccomp-bpf', '-qq', '-y', '-x', '-s', '1100000', '-o', `${folder}/trace`, '-e', `trace=${tracedCalls}`]
  const child = spawn(
    'strace',
    [...strace, ...inject.flatMap((one) => ['-e', one]), process.execPath, scriptPath, bus, String(seed), String(scale), inject.length > 0 ? 'faults' : ''],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      // libuv would hand system calls to the kernel where strace does not see them.
      env: { ...process.env, UV_USE_IO_URING: '0', ...environment },
      detached: true,
    },
  )
  let said = ''
  child.stderr.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-4_000)
  })
  const code = await new Promise<number | null>((resolve) => {
    const late = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), 60_000)
    child.once('error', () => resolve(null))
    child.once('exit', (status) => {
      clearTimeout(late)
      resolve(status)
    })
  })
  if (code !== 0 || !existsSync(`${folder}/trace`)) throw new Error(`the recorded run ended with ${code}: ${said}`)
  return parseTrace(readFileSync(`${folder}/trace`, 'latin1'), bus, marksName)
}
