import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { after } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { OwnServer } from '@sluice/conformance'

const main = fileURLToPath(new URL('../../../tools/brokers/main.ts', import.meta.url))

/** A server of `npm run brokers`, by its name there, in a folder and on ports of its own. */
export async function ownServer(name: string): Promise<OwnServer & { readonly extras: Readonly<Record<string, string>> }> {
  // Beside the shared servers, wherever they were told to be.
  const { SLUICE_BROKERS } = process.env
  const root = mkdtempSync(join(SLUICE_BROKERS === undefined ? tmpdir() : dirname(resolve(SLUICE_BROKERS)), 'sluice-faults-server-'))
  const brokers = async (command: string, node?: number): Promise<string> => {
    const target = node === undefined ? name : `${name}/${node}`
    const { stdout } = await promisify(execFile)(process.execPath, [main, command, target, '--json', '--brief'], {
      env: { ...process.env, SLUICE_BROKERS: root },
    })
    return stdout
  }
  type Started = Readonly<Record<string, { readonly url: string; readonly extras: Readonly<Record<string, string>> }>>
  const { url = '', extras = {} } = (JSON.parse(await brokers('up')) as Started)[name] ?? {}
  return {
    url,
    extras,
    kill: async (node) => void (await brokers('kill', node)),
    restart: async (node) => void (await brokers('restart', node)),
    up: async () => void (await brokers('up')),
    down: async () => {
      await brokers('down')
      rmSync(root, { recursive: true, force: true })
    },
  }
}

/** One server of its own for all cases of a file, where it takes long to start; whoever killed it starts it again. */
export function keptServer(name: string): () => ReturnType<typeof ownServer> {
  let kept: ReturnType<typeof ownServer> | undefined
  after(async () => (await kept?.catch(() => undefined))?.down())
  return async () => {
    const isFresh = kept === undefined
    kept ??= ownServer(name)
    const server = await kept
    // A case that failed may have left it dead.
    if (!isFresh) await server.up()
    return { ...server, down: async () => {} }
  }
}
