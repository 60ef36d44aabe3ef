import { type ChildProcess, fork, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { ActorCommand, ActorOrder, ActorReport, DrainStatus, Operation } from './actor-order.ts'

const actorPath = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './actor-process.ts' : './actor-process.js', import.meta.url))
/** A loaded machine is slow; a process that says nothing for so long hangs. */
const answerMs = 60_000
/** strace 6.1 waits for ever for a thread that its tracee's death took along; and the tracee, dead, waits for strace. */
const detachMs = 500

/** One process, which can play several parts in its life. */
export class ActorProcess {
  readonly exited: Promise<void>
  #child: ChildProcess
  #waiting: ((report: ActorReport | undefined) => void)[] = []
  #dead = false
  /** Why it failed, if it said so. */
  error: string | undefined

  constructor() {
    this.#child = fork(actorPath, [], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    this.#child.on('message', (report: ActorReport) => {
      if (report.kind === 'failed') this.error = report.error
      else this.#waiting.shift()?.(report)
    })
    this.#child.on('error', () => {})
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', () => {
        this.#dead = true
        for (const answer of this.#waiting.splice(0)) answer(undefined)
        resolve()
      })
    })
  }

  get pid(): number {
    return this.#child.pid as number
  }

  get alive(): boolean {
    return !this.#dead
  }

  /** Resolves to false if it died before it was ready. */
  async play(order: ActorOrder): Promise<boolean> {
    this.error = undefined
    return (await this.#ask(order)) !== undefined
  }

  /** Resolves to false if it died instead, or does not come to its end. */
  async stop(): Promise<boolean> {
    return (await this.#ask({ kind: 'stop' })) !== undefined
  }

  tell(command: ActorCommand): void {
    if (!this.#dead && this.#child.connected) this.#child.send(command, () => {})
  }

  async operate(operation: Operation, random: number): Promise<{ readonly status: DrainStatus | undefined; readonly error?: string } | undefined> {
    const report = await this.#ask({ kind: 'operate', operation, random })
    return report?.kind === 'operated' ? report : undefined
  }

  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): void {
    if (!this.#dead) this.#child.kill(name)
  }

  /** Lets the kernel do something at its system calls from now on; resolves when that is in force. Call the result to end it. */
  tamper(call: string, inject: string): Promise<() => void> {
    const tracer = spawn('strace', ['-f', '-p', String(this.pid), '-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:${inject}`], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    tracer.on('error', () => {})
    return new Promise((resolve) => {
      const end = (): void => {
        tracer.kill('SIGTERM')
        const timer = setTimeout(() => tracer.kill('SIGKILL'), detachMs)
        tracer.once('exit', () => clearTimeout(timer))
      }
      // "Process … attached" is the first it says.
      tracer.stderr.once('data', () => resolve(end))
      tracer.once('exit', () => resolve(() => {}))
    })
  }

  #ask(command: ActorCommand): Promise<ActorReport | undefined> {
    if (this.#dead) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.error ??= `no answer to ${command.kind} in ${answerMs} ms`
        answer(undefined)
      }, answerMs)
      const answer = (report: ActorReport | undefined): void => {
        clearTimeout(timer)
        resolve(report)
      }
      this.#waiting.push(answer)
      this.tell(command)
    })
  }
}

/** Processes that wait for a part: those who survived a run, and one that is started ahead. */
export class ActorPool {
  readonly #idle: ActorProcess[] = []

  take(): ActorProcess {
    for (let actor = this.#idle.pop(); actor !== undefined; actor = this.#idle.pop()) if (actor.alive) return actor
    return new ActorProcess()
  }

  give(actor: ActorProcess): void {
    if (actor.alive) this.#idle.push(actor)
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#idle.splice(0).map((actor) => {
        actor.signal('SIGKILL')
        return actor.exited
      }),
    )
  }
}
