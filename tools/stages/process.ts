import { spawn } from 'node:child_process'
import { performance } from 'node:perf_hooks'

/** How a command ended. */
export interface Outcome {
  /** Exit code; 124 when the budget ran out, 127 when it could not be started. */
  readonly code: number
  readonly durationMs: number
  /** Standard output and error, in the order they came; empty when they went to the terminal. */
  readonly output: string
}

/** How to run a command. */
export interface RunOptions {
  readonly budgetMs: number
  /** true: straight to the terminal. Default false: collected. */
  readonly live?: boolean
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** Runs a command to its end, or until its budget is spent: then its whole process group is killed. */
export function run(command: string, args: readonly string[], options: RunOptions): Promise<Outcome> {
  const started = performance.now()
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      detached: true,
      stdio: ['ignore', options.live ? 'inherit' : 'pipe', options.live ? 'inherit' : 'pipe'],
    })
    const chunks: Buffer[] = []
    let spent = false
    let settled = false
    const killGroup = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
      } catch {
        // Already gone.
      }
    }
    const timer = setTimeout(() => {
      spent = true
      killGroup()
    }, options.budgetMs)
    const onSignal = (): void => {
      killGroup()
      process.exit(130)
    }
    process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
    const end = (code: number): void => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
      resolve({ code: spent ? 124 : code, durationMs: performance.now() - started, output: Buffer.concat(chunks).toString('utf8') })
    }
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', (error) => {
      chunks.push(Buffer.from(`${error.message}\n`))
      end(127)
    })
    child.on('close', (code) => end(code ?? 1))
  })
}

/** `2.1 s`, `3 min 05 s`. */
export function duration(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`
}
