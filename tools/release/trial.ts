/**
 * `npm run trial`: packs everything, installs the tarballs into an empty project as a user would, type-checks the
 * README's first example there and runs it on the oldest Nodes we support and the newest, from ESM and CommonJS. The
 * conformance suite is run there, too, as the author of a transport would.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { asCommonJs, firstExample, runUntilPrinted } from '../readme/example.ts'
import { fetchNode, supportedVersions } from './nodes.ts'
import { packAll } from './pack.ts'
import { readManifest, root } from './packages.ts'

// What README promises; the newest is the workspace's own.
const oldestTypeScript = '5.4.5'

let passed = 0
let failed = 0

function report(ok: boolean, what: string, detail = ''): void {
  if (ok) passed++
  else failed++
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${what}${ok || detail === '' ? '' : `\n${detail.trimEnd().replace(/^/gm, '    ')}`}`)
}

function command(program: string, args: readonly string[], cwd: string): { readonly ok: boolean; readonly output: string } {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' })
  return { ok: status === 0, output: `${error?.message ?? ''}${stdout}${stderr}` }
}

function makeProject(tarballs: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-trial-'))
  const own = readManifest(join(root, 'package.json')).devDependencies
  writeFileSync(join(folder, 'package.json'), '{ "name": "trial", "private": true }\n')
  const installed = command(
    'npm',
    [
      'install',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      ...tarballs,
      `zod@${own?.zod}`,
      `@types/node@${own?.['@types/node']}`,
      `typescript@${oldestTypeScript}`,
    ],
    folder,
  )
  report(installed.ok, 'the tarballs install into an empty project', installed.output)
  return folder
}

// A case of the transport's own and one of the bus: that they are found, run and told, not the transport, is tried here.
const conformanceCases = 'fan-out'

/** Judges a transport that a stranger wrote in TypeScript, by `npx`. */
function tryConformance(folder: string, node: string, version: string): void {
  writeFileSync(join(folder, 'my-transport.ts'), "export { memoryTransport as transport } from '@sluice/core/transport'\n")
  const bin = join(folder, 'node_modules/.bin/sluice-conformance')
  const { ok, output } = command(node, [bin, '--transport', './my-transport.ts', '--only', conformanceCases], folder)
  report(ok && / 0 failed/.test(output) && !/^0 passed/m.test(output), `npx sluice-conformance --transport ./my-transport.ts: Node ${version}`, output)
}

async function main(): Promise<void> {
  const packed = packAll()
  report(true, `${packed.size} packages build, pack and satisfy publint and arethetypeswrong`)
  const { code, output } = firstExample(join(root, 'README.md'))
  const folder = makeProject([...packed.values()])
  try {
    writeFileSync(join(folder, 'first.mts'), code)
    writeFileSync(join(folder, 'first.mjs'), code)
    writeFileSync(join(folder, 'first.cjs'), asCommonJs(code))
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node']
    const newest = command(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...options, 'first.mts'], folder)
    report(newest.ok, 'the first example type-checks against the packed declarations, skipLibCheck off', newest.output)
    const oldest = command(process.execPath, [join(folder, 'node_modules/typescript/bin/tsc'), ...options, '--skipLibCheck', 'first.mts'], folder)
    report(oldest.ok, `so it does with TypeScript ${oldestTypeScript}`, oldest.output)
    for (const version of supportedVersions()) {
      const node = fetchNode(version)
      for (const file of ['first.mjs', 'first.cjs']) {
        rmSync(join(folder, '.sluice'), { recursive: true, force: true })
        const printed = await runUntilPrinted(node.file, file, folder, output, 20_000)
        const ok = printed.inTime && printed.stdout === output
        report(
          ok,
          `the first example prints what the README says: Node ${version}, ${file.endsWith('.cjs') ? 'CommonJS' : 'ESM'}`,
          `printed:\n${printed.stdout}\n${printed.stderr}`,
        )
      }
      tryConformance(folder, node.file, version)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

try {
  await main()
} catch (error) {
  report(false, 'the trial ran to its end', error instanceof Error ? error.message : String(error))
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
