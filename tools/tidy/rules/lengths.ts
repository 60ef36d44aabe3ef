import ts from 'typescript-6'
import { librarySources, type Rule } from '../tree.ts'

const functionLinesAim = 70
const fileLinesAim = 300

/** How long functions and files are; the aims of the style guide. A report: a 90-line function that reads as one thought is fine. */
export const lengths: Rule = {
  name: 'lengths (a report)',
  why: `functions of at most ${functionLinesAim} lines, files of at most ${fileLinesAim}`,
  check(tree) {
    const files: { file: string; lines: number }[] = []
    const functions: { name: string; lines: number }[] = []
    for (const file of librarySources(tree)) {
      const text = tree.read(file)
      const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2024, true)
      files.push({ file, lines: source.getLineStarts().length - 1 })
      const visit = (node: ts.Node): void => {
        if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
          const from = source.getLineAndCharacterOfPosition(node.getStart()).line
          const to = source.getLineAndCharacterOfPosition(node.end).line
          functions.push({ name: `${file}:${from + 1} ${node.name?.getText() ?? ''}`.trim(), lines: to - from + 1 })
        }
        ts.forEachChild(node, visit)
      }
      visit(source)
    }
    files.sort((a, b) => a.lines - b.lines)
    const longFiles = files.filter(({ lines }) => lines > fileLinesAim)
    const longFunctions = functions.filter(({ lines }) => lines > functionLinesAim)
    const p90 = files[Math.floor(files.length * 0.9)]?.lines ?? 0
    const share = ((100 * longFunctions.length) / Math.max(1, functions.length)).toFixed(1)
    const notes = [
      `${files.length} files, p90 ${p90} lines; ${functions.length} functions, ${share}% longer than ${functionLinesAim} lines`,
      ...longFiles.map(({ file, lines }) => `long file: ${file} (${lines} lines)`),
      ...longFunctions.map(({ name, lines }) => `long function: ${name} (${lines} lines)`),
    ]
    return { looked: files.length, at: 'files', findings: [], notes }
  },
}
