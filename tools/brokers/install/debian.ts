import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { runToEnd } from '../process.ts'
import { CannotInstall } from '../server.ts'

/** The first of the programs that is on PATH or in one of the folders. */
export function findProgram(name: string, folders: readonly string[] = []): string | undefined {
  return [...folders, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'].map((folder) => join(folder, name)).find((file) => existsSync(file))
}

/**
 * Installs Debian packages, unless what they bring is there. They are what the distribution serves: the versions are
 * pinned by the distribution, and `status` prints the one that runs.
 */
export async function debianPackages(isThere: () => boolean, packages: readonly string[], elsewhere: string): Promise<void> {
  if (isThere()) return
  const wanted = packages.join(' ')
  if (findProgram('apt-get') === undefined) throw new CannotInstall(packages[0] ?? '', elsewhere)
  if (process.getuid?.() !== 0) throw new CannotInstall(packages[0] ?? '', `sudo apt-get install --no-install-recommends ${wanted}`)
  await withoutServices(async () => {
    const apt = (...args: string[]): Promise<string> =>
      runToEnd({ program: 'apt-get', args: ['-o', 'DPkg::Lock::Timeout=120', ...args], env: { DEBIAN_FRONTEND: 'noninteractive' } }, '/')
    await apt('update', '-qq')
    await apt('install', '-y', '-qq', '--no-install-recommends', ...packages)
  })
  if (!isThere()) throw new CannotInstall(packages[0] ?? '', `apt-get installed ${wanted}, but the program is not where it was looked for`)
}

// A package that brings a server starts it as a service of the machine; this file is Debian's way to forbid that.
async function withoutServices(work: () => Promise<void>): Promise<void> {
  const policy = '/usr/sbin/policy-rc.d'
  if (existsSync(policy)) return work()
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    await work()
  } finally {
    rmSync(policy)
  }
}
