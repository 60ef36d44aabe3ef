/** Type-checks every project of the tree with TypeScript 7: each folder with a tsconfig.json is one. */
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'

// `node_modules/.bin/tsc` could be that of typescript-6, which is there for its JavaScript API only.
const compiler = 'node_modules/typescript/bin/tsc'
const { version }: { version: string } = JSON.parse(readFileSync('node_modules/typescript/package.json', 'utf8'))
if (!version.startsWith('7.')) throw new Error(`the type check is meant for TypeScript 7, and ${version} is installed`)

const projects = globSync('{.,packages,packages/*,examples/*,examples/*/*,bench,tools}/tsconfig.json').sort()
let failed = false
for (const project of projects) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, '--noEmit', '-p', project], { encoding: 'utf8' })
  if (status === 0) continue
  failed = true
  console.log(`${project}:\n${stdout}${stderr}`)
}
console.log(`${projects.length} projects: ${projects.join(', ')}`)
process.exitCode = failed || projects.length === 0 ? 1 : 0
