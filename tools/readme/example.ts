import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The first program of a README and what it prints. */
export interface Example {
  readonly code: string
  readonly output: string
}

/** Reads the first `ts` block of a Markdown file and the `text` block after it. */
export function firstExample(file: string): Example {
  const match = /```ts\n(.*?)```.*?```text\n(.*?)```/s.exec(readFileSync(file, 'utf8'))
  const [, code, output] = match ?? []
  if (code === undefined || output === undefined) throw new Error(`${file} has no \`\`\`ts block with a \`\`\`text block after it`)
  return { code, output }
}

/** The same program for CommonJS: `require` instead of `import`, and a function around the top-level awaits. */
export function asCommonJs(code: string): string {
  const lines = code.split('\n')
  const isImport = (line: string): boolean => line.startsWith('import ')
  const requires = lines.filter(isImport).map((line) => line.replace(/^import (\{.*?\}) from ('.*?').*$/, 'const $1 = require($2)'))
  return `${requires.join('\n')}\nasync function main() {\n${lines.filter((line) => !isImport(line)).join('\n')}\n}\nmain()\n`
}

/** What a program wrote until it had printed what was expected. */
export interface Printed {
  readonly stdout: string
  readonly stderr: string
  readonly inTime: boolean
}

/** Runs a program that goes on for ever, until it has printed as much as expected (or `timeoutMs` is over); then ends it. */
export function runUntilPrinted(node: string, file: string, folder: string, expected: string, timeoutMs: number): Promise<Printed> {
  return new Promise((resolve, reject) => {
    const { SLUICE_URL: _url, SLUICE_ROUTES: _routes, SLUICE_SERVICE: _service, ...env } = process.env
    const child = spawn(node, [join(folder, file)], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    let inTime = true
    const timer = setTimeout(() => {
      inTime = false
      child.kill('SIGKILL')
    }, timeoutMs)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      // A little longer than needed: what is printed twice shall be seen.
      if (stdout.length >= expected.length) setTimeout(() => child.kill('SIGTERM'), 300)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    child.on('error', reject)
    child.on('close', () => {
      clearTimeout(timer)
      resolve({ stdout, stderr, inTime })
    })
  })
}
