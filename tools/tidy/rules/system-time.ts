import ts from 'typescript-6'
import { type Finding, librarySources, type Rule } from '../tree.ts'

const forbidden = new Set(['setTimeout', 'setInterval', 'Date.now', 'performance.now', 'Math.random', 'process.hrtime'])
// Where the system's time and chance come in, and what stands outside the engine's own time.
const gates = /^packages\/core\/src\/clock\/|^packages\/conformance\//

/** Files that deal with the real disk or the real machine, whose time no simulation moves. Each with its reason. */
const exempt: Readonly<Record<string, string>> = {
  'packages/core/src/testing/drain.ts': 'bounds a test in real time while its clock stands still',
  'packages/embedded/src/bus-file.ts': 'looks again at a disk that failed',
  'packages/embedded/src/checkpoint/checkpointer.ts': 'paces checkpoints by how long the disk takes',
  'packages/embedded/src/commit/wal-sync.ts': 'measures the disk',
  'packages/embedded/src/commit/writer.ts': 'tries the write lock of another process again, and adapts to the measured disk',
  'packages/embedded/src/doorbell/doorbell.ts': 'looks at a watched file where the system gives no event',
  'packages/embedded/src/file/open.ts': 'waits for another process that is creating the file',
  'packages/embedded/src/group/settlement.ts': 'tries the write lock of another process again',
  'packages/embedded/src/log/unkeyed-hash.ts': 'spreads what has no order',
  'packages/embedded/src/transaction/lent-transaction.ts': 'looks for the commit of a connection that is not ours',
}

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
    const stale = Object.keys(exempt)
      .filter((file) => tree.files.includes(file) && !findings.some((finding) => finding.file === file))
      .map((file) => ({ file, message: 'is exempt and needs not be: take it off the list in tools/tidy/rules/system-time.ts' }))
    return {
      looked: files.length,
      at: `files, ${Object.keys(exempt).length} exempt with a reason`,
      findings: [...findings.filter(({ file }) => exempt[file] === undefined), ...stale],
    }
  },
}
