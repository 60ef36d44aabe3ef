/** Builds of Sluice that differ: copies of this one with parts of their sources replaced, each in a folder of its own. */
import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { TransportFactory } from '@sluice/core/transport'

const workspace = resolve(import.meta.dirname, '../../../..')

/** A replacement in a file of packages/embedded/src: `find` must be there exactly once. */
export interface Patch {
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** Copies this build and applies the patches. Returns its folder, to be removed by {@link removeBuild}. */
export function makeBuild(patches: readonly Patch[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-build-'))
  const scope = join(folder, 'node_modules/@sluice')
  mkdirSync(scope, { recursive: true })
  for (const name of ['core', 'embedded']) {
    for (const part of ['src', 'package.json'])
      cpSync(join(workspace, 'packages', name, part), join(folder, 'packages', name, part), { recursive: true, filter: (path) => !path.endsWith('.test.ts') })
    symlinkSync(join(folder, 'packages', name), join(scope, name))
  }
  for (const { file, find, replace } of patches) {
    const path = join(folder, 'packages/embedded/src', file)
    const source = readFileSync(path, 'utf8')
    assert.equal(source.split(find).length, 2, `${file} has this once: ${find}`)
    writeFileSync(
      path,
      source.replace(find, () => replace),
    )
  }
  return folder
}

export function removeBuild(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}

/** The transport of a build, in this process. */
export async function transportOf(build: string): Promise<TransportFactory> {
  const { transport } = (await import(join(build, 'packages/embedded/src/index.ts'))) as { readonly transport: TransportFactory }
  return transport
}

/** A service that runs a build in a process of its own. */
export class Service {
  readonly #child: ChildProcess
  readonly pid: number

  constructor(build: string, path: string, name: string) {
    this.#child = fork(join(import.meta.dirname, 'service.ts'), [build, path, name], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.pid = this.#child.pid ?? 0
  }

  /** What `service.ts` answers: `ok`, the code of an error, or bodies. */
  async ask(what: string): Promise<string> {
    const answer = new Promise<string>((resolve, reject) => {
      this.#child.once('message', (text) => resolve(String(text)))
      this.#child.once('exit', (code) => reject(new Error(`the service ended (${code}) instead of answering ${what}`)))
    })
    this.#child.send(what)
    return answer.finally(() => this.#child.removeAllListeners())
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    this.#child.kill('SIGKILL')
    await exited
  }
}
