import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A process of a benchmark: it says `ready`, is told to `go`, and ends with its figures. */
export class Role {
  readonly #child: ChildProcess
  readonly #messages: unknown[] = []
  readonly #waiting: ((message: unknown) => void)[] = []
  #failure: Error | undefined
  readonly #ended: Promise<void>

  /** `under`: a command line that runs the process, such as strace and its options. */
  constructor(script: URL, args: readonly string[], under: readonly string[] = []) {
    const [command, ...commandArgs] = under
    this.#child = fork(fileURLToPath(script), args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      ...(command === undefined ? {} : { execPath: command, execArgv: [...commandArgs, process.execPath] }),
    })
    this.#child.on('message', (message) => {
      const waiter = this.#waiting.shift()
      if (waiter === undefined) this.#messages.push(message)
      else waiter(message)
    })
    this.#ended = new Promise((resolve) =>
      this.#child.on('exit', (code, signal) => {
        if (code !== 0) this.#failure = new Error(`${script.pathname.split('/').slice(-2).join('/')} ended with ${signal ?? code}`)
        for (const waiter of this.#waiting.splice(0)) waiter({ failure: this.#failure })
        resolve()
      }),
    )
  }

  /** The next message of the process. */
  async next<T>(): Promise<T> {
    const message = this.#messages.length > 0 ? this.#messages.shift() : await new Promise<unknown>((resolve) => this.#waiting.push(resolve))
    if (this.#failure !== undefined) throw this.#failure
    return message as T
  }

  tell(message: string): void {
    this.#child.send(message)
  }

  /** Ends it, if it has not ended yet: another role of its run failed. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async end(): Promise<void> {
    await this.#ended
    if (this.#failure !== undefined) throw this.#failure
  }
}

/** In a role: says `ready` and waits for `go`. */
export function readyAndGo(): Promise<void> {
  return new Promise((resolve) => {
    process.once('message', () => resolve())
    process.send?.('ready')
  })
}

/** In a role: hands the figures over and lets the process end. */
export function report(figures: object): void {
  process.send?.(figures, () => process.disconnect?.())
}

/** Machine-wide monotonic time, ns. */
export function nowNs(): number {
  return Number(process.hrtime.bigint())
}

/** When a role began and ended its work. */
export interface Span {
  readonly startNs: number
  readonly endNs: number
}

/** Messages a second. `in`: until all were confirmed; `out`: from the first handled to all settled. */
export interface PairRates {
  readonly in: number
  readonly out: number
  readonly endToEnd: number
}

/** A producer and a consumer over one folder. */
export async function runPair(producer: URL, consumer: URL, folder: string, count: number, extra: readonly string[] = []): Promise<PairRates> {
  const eater = new Role(consumer, [folder, String(count), ...extra])
  await eater.next()
  const maker = new Role(producer, [folder, String(count), ...extra])
  await maker.next()
  eater.tell('go')
  maker.tell('go')
  const made = await maker.next<Span>()
  const eaten = await eater.next<Span>()
  await Promise.all([maker.end(), eater.end()])
  const rate = (fromNs: number, toNs: number): number => (count * 1e9) / (toNs - fromNs)
  return { in: rate(made.startNs, made.endNs), out: rate(eaten.startNs, eaten.endNs), endToEnd: rate(made.startNs, eaten.endNs) }
}
