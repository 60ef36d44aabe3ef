import { dirname, join, normalize } from 'node:path'
import { type Finding, lineAt, type Rule, type Tree } from '../tree.ts'

// GitHub's anchors: lower case, punctuation dropped, spaces to dashes.
function anchorsOf(markdown: string): ReadonlySet<string> {
  return new Set(
    [...markdown.matchAll(/^#{1,6} +(.+)$/gm)].map(([, title = '']) =>
      title
        .trim()
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  )
}

function broken(tree: Tree, file: string, target: string): string | undefined {
  const [path = '', anchor] = target.split('#')
  const wanted = path === '' ? file : normalize(join(dirname(file), decodeURIComponent(path))).replace(/\/$/, '')
  const isFolder = tree.files.some((other) => other.startsWith(`${wanted}/`))
  if (!tree.files.includes(wanted) && !isFolder) return `${target} leads nowhere`
  if (anchor !== undefined && wanted.endsWith('.md') && !anchorsOf(tree.read(wanted)).has(anchor)) return `${target}: no such heading`
  return undefined
}

// A path in a code span of docs/internals: `packages/core/src/x.ts`. Patterns (`<name>`, `*`) are no paths.
function stalePaths(tree: Tree, file: string, text: string): readonly Finding[] {
  if (!file.startsWith('docs/internals/') && file !== 'CONTRIBUTING.md') return []
  return [...text.matchAll(/`((?:packages|examples|tools|bench|docs)\/[\w./-]+)`/g)].flatMap((match): Finding[] => {
    const path = (match[1] ?? '').replace(/\/$/, '')
    const known = tree.files.includes(path) || tree.files.some((other) => other.startsWith(`${path}/`))
    return known || /^packages\/(cli|console|transports|core\/src\/store)$/.test(path) || path.startsWith('docs/internals/results')
      ? []
      : [{ file, line: lineAt(text, match.index), message: `\`${path}\` is not there` }]
  })
}

/** Every relative link of a Markdown page leads to a file, and to a heading if it names one; every path that the internals name is there. */
export const markdownLinks: Rule = {
  name: 'links between pages',
  why: 'a page that was moved takes its links along',
  check(tree) {
    let looked = 0
    const findings = tree.files
      .filter((file) => file.endsWith('.md'))
      .flatMap((file): Finding[] => {
        const text = tree.read(file).replace(/```.*?```/gs, (block) => block.replace(/[^\n]/g, ' '))
        const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].flatMap((match): Finding[] => {
          const target = match[1] ?? ''
          if (/^[a-z]+:/.test(target)) return []
          looked++
          const message = broken(tree, file, target)
          return message === undefined ? [] : [{ file, line: lineAt(text, match.index), message }]
        })
        return [...links, ...stalePaths(tree, file, text)]
      })
    return { looked, at: 'links', findings }
  },
}
