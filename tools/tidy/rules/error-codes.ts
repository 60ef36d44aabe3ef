import { type Finding, librarySources, type Rule } from '../tree.ts'

const table = 'packages/core/src/errors/codes.ts'
const pages = 'docs/reference/errors/'

/** Each error code has its page, each page its code, and each code somebody who throws it. */
export const errorCodePages: Rule = {
  name: 'error codes and pages',
  why: 'an error names a page that exists, and no page describes an error that cannot happen',
  check(tree) {
    const findings: Finding[] = []
    const codes = tree.files.includes(table) ? [...tree.read(table).matchAll(/^ {2}([A-Z][A-Z0-9_]+): \{/gm)].map(([, code = '']) => code) : []
    const written = tree.files
      .filter((file) => file.startsWith(pages) && file.endsWith('.md') && !file.endsWith('README.md'))
      .map((file) => file.slice(pages.length, -'.md'.length))
    const others = librarySources(tree)
      .filter((file) => file !== table)
      .map((file) => tree.read(file))
      .join('\n')
    for (const code of codes) {
      if (!written.includes(code)) findings.push({ file: `${pages}${code}.md`, message: `${code} has no page` })
      if (!new RegExp(`['"\`]${code}['"\`]`).test(others)) findings.push({ file: table, message: `nothing in the library uses ${code}` })
    }
    for (const code of written) if (!codes.includes(code)) findings.push({ file: `${pages}${code}.md`, message: `there is no code ${code}` })
    return { looked: codes.length, at: 'codes', findings }
  },
}
