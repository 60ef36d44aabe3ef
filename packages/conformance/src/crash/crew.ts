import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type HistoryEvent, HistoryRecorder, readHistory } from '../history/index.ts'
import { within } from '../probe/probe.ts'
import type { MemberOrder, MemberReport, ProgramArguments, ProgramName } from './program.ts'

const memberPath = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './member.ts' : './member.js', import.meta.url))

/** How member processes find the transport under test. */
export interface MemberModule {
  /** Module specifier or URL, as for `import`. */
  readonly module: string
  /** Name of the export that is the factory. */
  readonly export: string
}

/** A member process. */
export class ProcessMember {
  readonly proc: string
  readonly #child: ChildProcess
  readonly #recorder: HistoryRecorder
  readonly #exited: Promise<void>
  readonly #ready: Promise<void>
  readonly #done: Promise<void>
  #expected = false
  /** What it said when it failed. */
  error: string | undefined

  constructor(order: MemberOrder, recorder: HistoryRecorder) {
    this.proc = order.proc
    this.#recorder = recorder
    this.#child = fork(memberPath, [], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    let ready = (): void => {}
    let done = (): void => {}
    this.#ready = new Promise((resolve) => {
      ready = resolve
    })
    this.#done = new Promise((resolve) => {
      done = resolve
    })
    this.#exited = new Promise((resolve) => this.#child.once('exit', () => resolve()))
    this.#child.on('message', (report: MemberReport) => {
      if (report.kind === 'ready') ready()
      if (report.kind === 'done') done()
      if (report.kind === 'failed') this.error = report.error
    })
    this.#child.send(order)
  }

  get pid(): number {
    return this.#child.pid as number
  }

  /** Resolves when its program has started. */
  ready(): Promise<void> {
    return this.#orFailed(this.#ready, 'start')
  }

  /** Resolves when its program has done its work, for which it has `ms`. */
  done(ms?: number): Promise<void> {
    return this.#orFailed(this.#done, 'finish', ms)
  }

  /** `kill -9`, written down as a death before and after, for a taker-over may be quicker than the news of it. */
  async kill(): Promise<void> {
    this.#expected = true
    this.#recorder.record({ type: 'ok', f: 'fault', fault: 'death', victim: this.proc })
    this.#child.kill('SIGKILL')
    await this.#exited
    this.#recorder.record({ type: 'ok', f: 'fault', fault: 'death', victim: this.proc })
  }

  /** Resolves when it is dead by its own doing, which is expected here and written down. */
  async died(ms: number): Promise<boolean> {
    this.#expected = true
    const dead = await Promise.race([this.#exited.then(() => true), new Promise<boolean>((resolve) => setTimeout(() => resolve(false), ms))])
    if (dead) this.#recorder.record({ type: 'ok', f: 'fault', fault: 'death', victim: this.proc })
    return dead
  }

  /** Stops its clock and hands: nothing runs until {@link thaw}. */
  freeze(): void {
    this.#recorder.record({ type: 'ok', f: 'fault', fault: 'freeze', victim: this.proc })
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#recorder.record({ type: 'ok', f: 'fault', fault: 'lease-expired', victim: this.proc })
    this.#child.kill('SIGCONT')
  }

  /** Drains and ends. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#expected = true
    if (this.#child.connected) this.#child.send('stop')
    await within(this.#exited, () => `${this.proc} did not stop`)
    assert.equal(this.error, undefined)
  }

  /** Whatever state it is in. */
  async destroy(): Promise<void> {
    this.#expected = true
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL')
    await this.#exited
  }

  #orFailed(promise: Promise<void>, what: string, ms = 60_000): Promise<void> {
    const died = this.#exited.then(() => {
      if (!this.#expected) throw new assert.AssertionError({ message: `${this.proc} died before it could ${what}: ${this.error ?? 'no word'}` })
    })
    return within(Promise.race([promise, died.then(() => promise)]), () => `${this.proc} did not ${what}`, ms)
  }
}

/** The member processes of one run, and its history. */
export class Crew {
  readonly recorder: HistoryRecorder
  readonly #path: string
  readonly #place: Pick<MemberOrder, 'url' | 'options'> & MemberModule
  readonly #members: ProcessMember[] = []
  // How far the history was read for confirms, and how many were found.
  #readTo = 0
  readonly #progress = new Map<string, number>()
  #closed = false

  constructor(historyPath: string, place: Pick<MemberOrder, 'url' | 'options'> & MemberModule) {
    this.#path = historyPath
    this.#place = place
    this.recorder = new HistoryRecorder(historyPath, 'judge')
  }

  /** Starts a member and waits until its program runs. */
  async start(proc: string, program: ProgramName, args: ProgramArguments = {}): Promise<ProcessMember> {
    const member = this.launch(proc, program, args)
    await member.ready()
    return member
  }

  /** Starts a member that may die before its program runs. */
  launch(proc: string, program: ProgramName, args: ProgramArguments = {}): ProcessMember {
    const { module, export: name, url, options } = this.#place
    const member = new ProcessMember({ module, export: name, url, options, history: this.#path, proc, program, args }, this.recorder)
    this.#members.push(member)
    return member
  }

  /** Messages confirmed (`send`), and handled by each group (its name), so far, about: cheap, for whoever waits for progress. */
  progress(): ReadonlyMap<string, number> {
    const file = openSync(this.#path, 'r')
    try {
      const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - this.#readTo))
      const text = bytes.toString('latin1', 0, readSync(file, bytes, 0, bytes.length, this.#readTo))
      this.#readTo += text.length
      for (const [, f = '', group = f] of text.matchAll(/"type":"ok","f":"(send|deliver)"(?:,"channel":"[^"]*","group":"([^"]*)")?/g))
        this.#progress.set(group, (this.#progress.get(group) ?? 0) + 1)
    } finally {
      closeSync(file)
    }
    return new Map(this.#progress)
  }

  history(): readonly HistoryEvent[] {
    return readHistory(this.#path)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.all(this.#members.map((member) => member.destroy()))
    this.recorder.close()
  }
}
