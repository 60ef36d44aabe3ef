import { homedir } from 'node:os'
import { dirname } from 'node:path'
import { type Finding, lineAt, type Rule } from '../tree.ts'

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const isText = (file: string): boolean => !/\.(gz|png|ico|db|woff2?|zip|tgz|br|zst|bin)$/.test(file)

/** Nothing committed names a folder of the machine it was written on, or the host of a package registry. */
export const machineTraces: Rule = {
  name: 'no machine path or registry host',
  why: 'what is committed holds on every machine',
  check(tree) {
    const home = homedir()
    const places = [dirname(tree.root), home].filter((folder) => folder.length > 3 && folder !== '/tmp').map((folder) => `${escaped(folder)}/`)
    const pattern = new RegExp([...places, '//registry\\.', '\\bregistry\\.(npmjs|yarnpkg)\\.'].join('|'), 'g')
    const files = tree.files.filter(isText)
    const findings = files.flatMap((file): Finding[] => {
      const text = tree.read(file)
      return [...text.matchAll(pattern)].slice(0, 3).map((match) => ({ file, line: lineAt(text, match.index), message: `names ${match[0]}` }))
    })
    return { looked: files.length, at: 'files', findings }
  },
}

/** Nothing unfinished: markers of work to be done belong into an issue. */
export const unfinished: Rule = {
  name: 'nothing unfinished',
  why: 'what is not done is said in the notes and the docs, not in a marker nobody reads',
  check(tree) {
    const files = tree.files.filter((file) => /\.(ts|mts|mjs|tsx)$/.test(file) && !file.startsWith('tools/tidy/'))
    const findings = files.flatMap((file): Finding[] => {
      const text = tree.read(file)
      return [
        ...text.matchAll(/\b(TODO|FIXME|XXX)\b|\bnot implemented\b|@ts-ignore|@ts-nocheck|\b(?:it|test|describe)\.(?:only|todo)\b|\{ *(?:only|todo): *true/g),
      ].map((match) => ({ file, line: lineAt(text, match.index), message: `"${match[0]}"` }))
    })
    return { looked: files.length, at: 'files', findings }
  },
}
