import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The files of a work tree that are, or would be, committed. */
export interface Tree {
  /** Absolute. */
  readonly root: string
  /** Relative to the root, sorted. */
  readonly files: readonly string[]
  read(file: string): string
}

/** A broken rule. */
export interface Finding {
  readonly file: string
  /** 1-based; undefined: the file as a whole. */
  readonly line?: number
  readonly message: string
}

/** What a rule looked at and what it found. A rule that looked at nothing has not passed. */
export interface Verdict {
  /** How many things were looked at, and their name: `212 exports`. */
  readonly looked: number
  readonly at: string
  readonly findings: readonly Finding[]
  /** Something a person may want to know though it is no fault. */
  readonly notes?: readonly string[]
}

/** A rule that no other tool has. */
export interface Rule {
  readonly name: string
  readonly why: string
  check(tree: Tree): Verdict
}

/** Opens a folder: what git knows or would add; in a folder without git, every file. */
export function openTree(root: string): Tree {
  const { status, stdout } = spawnSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  })
  const present = new Set(
    globSync('**', { cwd: root, exclude: ['**/node_modules', '.git', '.cache'], withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)),
  )
  const listed = status === 0 && stdout !== '' ? stdout.split('\0').filter((file) => file !== '') : [...present, ...globSync('.*', { cwd: root })]
  const files = [...new Set(listed)].filter((file) => present.has(file) || file.startsWith('.')).sort()
  return { root, files, read: (file) => readFileSync(join(root, file), 'utf8') }
}

/** Source files of the published packages, without tests. */
export function librarySources(tree: Tree): readonly string[] {
  return tree.files.filter((file) => /^packages\/.+\/src\/.+\.ts$/.test(file) && !file.endsWith('.test.ts'))
}

/** 1-based line of a position in a text. */
export function lineAt(text: string, position: number): number {
  let line = 1
  for (let i = text.indexOf('\n'); i !== -1 && i < position; i = text.indexOf('\n', i + 1)) line++
  return line
}
