import ts from 'typescript-6'
import type { Finding, Rule, Tree } from '../tree.ts'

const from = 'packages/core/src/index.ts'
const to = 'packages/sluice/src/index.ts'

function exportedNames(tree: Tree, file: string): ReadonlySet<string> {
  if (!tree.files.includes(file)) return new Set()
  const source = ts.createSourceFile(file, tree.read(file), ts.ScriptTarget.ES2024, true)
  const names = new Set<string>()
  for (const statement of source.statements) {
    if (ts.isExportDeclaration(statement) && statement.exportClause !== undefined && ts.isNamedExports(statement.exportClause)) {
      for (const { name } of statement.exportClause.elements) names.add(name.text)
    } else if (ts.isVariableStatement(statement)) {
      for (const { name } of statement.declarationList.declarations) names.add(name.getText())
    }
  }
  return names
}

/** `sluice` hands on every name of core's public list, by an explicit list of its own. */
export const publicList: Rule = {
  name: 'sluice exports what core does',
  why: 'users import from `sluice`; a name that core made public and `sluice` forgot cannot be used',
  check(tree) {
    const core = exportedNames(tree, from)
    const sluice = exportedNames(tree, to)
    const findings: Finding[] = [...core].filter((name) => !sluice.has(name)).map((name) => ({ file: to, message: `${name} of ${from} is missing` }))
    return { looked: core.size, at: 'names', findings }
  },
}
