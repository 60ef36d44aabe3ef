import ts from 'typescript-6'
import { type Finding, librarySources, type Rule } from '../tree.ts'

const forbidden = new Set(['setTimeout', 'setInterval', 'Date.now', 'performance.now', 'Math.random', 'process.hrtime'])
// Where the system's time and chance come in, and what stands outside the engine's own time.
const gates = /^packages\/core\/src\/clock\/|^packages\/conformance\//

/** Time and chance come through the injected clock and random source, so that tests and the simulator can move them. */
export const systemTime: Rule = {
  name: 'time and chance are injected',
  why: 'a bug that a seed found is replayed by that seed only if nothing reads the system clock on the side',
  check(tree) {
    const files = librarySources(tree).filter((file) => !gates.test(file))
    const findings = files.flatMap((file): Finding[] => {
      const found: Finding[] = []
      const source = ts.createSourceFile(file, tree.read(file), ts.ScriptTarget.ES2024, true)
      const visit = (node: ts.Node): void => {
        const callee = ts.isCallExpression(node) ? node.expression.getText().replace(/^globalThis\./, '') : ''
        const isNewDate = ts.isNewExpression(node) && node.expression.getText() === 'Date' && (node.arguments?.length ?? 0) === 0
        if (forbidden.has(callee) || isNewDate)
          found.push({ file, line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1, message: isNewDate ? 'new Date()' : `${callee}()` })
        ts.forEachChild(node, visit)
      }
      visit(source)
      return found
    })
    return { looked: files.length, at: 'files', findings }
  },
}
