/** `npm run check -- tidy`: the rules of this repository that no other tool has; one file each in rules/. */
import { resolve } from 'node:path'
import { rules } from './rules/index.ts'
import { openTree } from './tree.ts'

const tree = openTree(resolve(import.meta.dirname, '../..'))
let broken = 0
for (const rule of rules) {
  const { looked, at, findings, notes = [] } = rule.check(tree)
  const empty = looked === 0
  if (empty || findings.length > 0) broken++
  console.log(`${empty || findings.length > 0 ? 'BROKEN' : 'ok    '} ${rule.name}: ${looked} ${at}${empty ? ' (nothing was read: this is no pass)' : ''}`)
  if (findings.length > 0) console.log(`       ${rule.why}`)
  for (const { file, line, message } of findings.slice(0, 40)) console.log(`       ${file}${line === undefined ? '' : `:${line}`}: ${message}`)
  if (findings.length > 40) console.log(`       … and ${findings.length - 40} more`)
  for (const note of notes) console.log(`       ${note}`)
}
process.exitCode = broken === 0 ? 0 : 1
