/** The shop as a process of its own, in an empty folder. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { OnceResult } from './once.ts'

export const main: string = fileURLToPath(new URL('../main.ts', import.meta.url))

/** What a run left. */
export interface ShopRun {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** Files of `.sluice`. */
  readonly left: readonly string[]
}

export function shop(context: TestContext, ...options: string[]): Promise<ShopRun> {
  const folder = mkdtempSync(join(tmpdir(), 'shop-once-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...options], { cwd: folder, maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      const left = readdirSync(folder).includes('.sluice') ? readdirSync(join(folder, '.sluice')) : []
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr, left })
    })
  })
}

/** The object on the last line of `--json`. */
export function resultOf(stdout: string): OnceResult {
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as OnceResult
}

/** The books balance over a broker, undisturbed and under kill -9. */
export function testShopOver(broker: string, url: () => string): void {
  for (const chaos of [[], ['--chaos', '--seed', '42']]) {
    test(`150 orders over ${broker}${chaos.length === 0 ? '' : ' while services are killed with kill -9'}: every book balances`, async (context) => {
      const { code, stdout, stderr } = await shop(context, '--orders', '150', '--once', '--json', '--bus', url(), ...chaos)
      assert.match(stdout, /\}\n$/, stderr)
      const result = resultOf(stdout)
      assert.deepEqual(result.differences, [], stderr)
      assert.deepEqual([result.doubledEffects, result.lost, result.unexplained, result.outOfOrder, result.deadLetters], [0, 0, 0, 0, 0])
      assert.equal(result.worked, true, stderr)
      assert.equal(code, 0, stderr)
      assert.equal(result.kills >= 6, chaos.length > 0)
    })
  }
}
