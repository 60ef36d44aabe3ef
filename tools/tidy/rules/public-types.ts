import { join } from 'node:path'
import ts from 'typescript-6'
import { readManifest } from '../../release/packages.ts'
import type { Finding, Rule, Tree } from '../tree.ts'

/** A name that users can import, with where it is declared. */
interface PublicName {
  readonly name: string
  readonly entry: string
  readonly declarations: readonly ts.Declaration[]
  readonly type: ts.Type
}

/** Source files that the packages' `exports` lead to, relative to the root. */
export function publicEntries(tree: Tree): readonly string[] {
  return tree.files
    .filter((file) => /^packages\/(?:[^/]+|transports\/[^/]+|stores\/[^/]+)\/package\.json$/.test(file))
    .flatMap((file) => Object.values(readManifest(join(tree.root, file)).exports ?? {}).map((target) => join(file, '..', target)))
    .filter((file) => file.endsWith('.ts'))
}

function publicNames(tree: Tree): readonly PublicName[] {
  const entries = publicEntries(tree)
  const program = ts.createProgram(
    entries.map((file) => join(tree.root, file)),
    {
      target: ts.ScriptTarget.ES2024,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      strict: true,
      noEmit: true,
      allowImportingTsExtensions: true,
      skipLibCheck: true,
      types: [],
    },
  )
  const checker = program.getTypeChecker()
  return entries.flatMap((entry) => {
    const source = program.getSourceFile(join(tree.root, entry))
    const symbol = source === undefined ? undefined : checker.getSymbolAtLocation(source)
    if (symbol === undefined) return []
    return checker.getExportsOfModule(symbol).map((exported) => {
      const target = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
      const isType = (target.flags & ts.SymbolFlags.Value) === 0
      return {
        name: exported.name,
        entry,
        declarations: target.declarations ?? [],
        type: isType ? checker.getDeclaredTypeOfSymbol(target) : checker.getTypeOfSymbol(target),
      }
    })
  })
}

function placeOf(tree: Tree, node: ts.Node): { file: string; line: number } {
  const source = node.getSourceFile()
  return { file: source.fileName.slice(tree.root.length + 1), line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1 }
}

function isDocumented(declaration: ts.Declaration): boolean {
  // `const x = …`: the comment belongs to the statement, two levels up.
  const holder = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration
  return ts.getJSDocCommentsAndTags(holder).some((node) => ts.isJSDoc(node) && node.comment !== undefined)
}

const ours = (tree: Tree, declaration: ts.Declaration): boolean => {
  const { fileName } = declaration.getSourceFile()
  return fileName.startsWith(`${tree.root}/`) && !fileName.includes('/node_modules/')
}

/** Every name that users can import has a comment of its own. */
export const documentedExports: Rule = {
  name: 'documented exports',
  why: 'what users can import says what it is for, with units, defaults and errors',
  check(tree) {
    const names = publicNames(tree)
    const findings = new Map<ts.Declaration, Finding>()
    for (const { name, declarations } of names) {
      const own = declarations.filter((declaration) => ours(tree, declaration))
      const [first] = own
      if (first === undefined || own.some(isDocumented)) continue
      findings.set(first, { ...placeOf(tree, first), message: `${name} is public and has no comment` })
    }
    return { looked: names.length, at: 'public names', findings: [...findings.values()] }
  },
}

/** No `any` in what users can import: neither written nor inferred. */
export const noAnyInPublicTypes: Rule = {
  name: 'no any in public types',
  why: '`any` spreads into the code of those who use it',
  check(tree) {
    const names = publicNames(tree)
    const findings = new Map<string, Finding>()
    const add = (node: ts.Node, message: string): void => {
      const place = placeOf(tree, node)
      findings.set(`${place.file}:${place.line}:${message}`, { ...place, message })
    }
    for (const { name, declarations, type } of names) {
      for (const declaration of declarations.filter((one) => ours(tree, one))) {
        if (type.flags & ts.TypeFlags.Any) add(declaration, `${name} is of type any`)
        const visit = (node: ts.Node): void => {
          if (ts.isBlock(node)) return
          if (node.kind === ts.SyntaxKind.AnyKeyword) add(node, `any in the public type of ${name}`)
          ts.forEachChild(node, visit)
        }
        visit(declaration)
      }
    }
    return { looked: names.length, at: 'public names', findings: [...findings.values()] }
  },
}
