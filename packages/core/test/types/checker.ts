/**
 * TypeScript 6 in this process: checks the text of a file that does not exist, as if it stood in this folder, and counts
 * the type instantiations that it cost. Files are read and parsed once for all checks.
 */
import { readFileSync } from 'node:fs'
import path from 'node:path'
import ts from 'typescript-6'

const folder = import.meta.dirname
const virtualFile = path.join(folder, 'virtual.ts')
const root = path.resolve(folder, '../../../..')

/** What a check found. */
export interface CheckResult {
  /** `line: TScode message`, the line counted from 1. */
  readonly errors: readonly string[]
  /** Type instantiations of checking this one file. */
  readonly instantiations: number
}

/** Checks `text` as TypeScript under the repository's own compiler options. */
export type Check = (text: string) => CheckResult

export function createCheck(): Check {
  const config: { compilerOptions: Record<string, unknown> } = JSON.parse(readFileSync(path.join(root, 'tsconfig.json'), 'utf8'))
  const { options, errors } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root)
  if (errors.length > 0) throw new Error(errors.map((error) => ts.flattenDiagnosticMessageText(error.messageText, '\n')).join('\n'))
  const host = ts.createCompilerHost(options)
  const parse = host.getSourceFile.bind(host)
  const parsed = new Map<string, ts.SourceFile | undefined>()
  let text = ''
  host.getSourceFile = (name, languageVersion) => {
    if (name === virtualFile) return ts.createSourceFile(name, text, languageVersion)
    if (!parsed.has(name)) parsed.set(name, parse(name, languageVersion))
    return parsed.get(name)
  }
  const exists = host.fileExists.bind(host)
  host.fileExists = (name) => name === virtualFile || exists(name)

  let previous: ts.Program | undefined
  return (source) => {
    text = source
    const program = ts.createProgram({ rootNames: [virtualFile], options, host, ...(previous === undefined ? {} : { oldProgram: previous }) })
    previous = program
    const file = program.getSourceFile(virtualFile)
    if (file === undefined) throw new Error('the virtual file was not read')
    const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
    return { errors: found.map(describe), instantiations: program.getInstantiationCount() }
  }
}

function describe(found: ts.Diagnostic): string {
  const line = found.file === undefined ? 0 : found.file.getLineAndCharacterOfPosition(found.start ?? 0).line + 1
  return `${line}: TS${found.code} ${ts.flattenDiagnosticMessageText(found.messageText, ' ')}`
}
