import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const page = new URL('../../../../../docs/reference/api.md', import.meta.url)
const sources: Readonly<Record<string, string>> = {
  ConnectOptions: '../connect/api.ts',
  LimitOptions: '../connect/api.ts',
  PublishOptions: '../sender/api.ts',
  RequestOptions: '../request-reply/api.ts',
  SharedHandlerOptions: '../handler/api.ts',
  EventHandlerOptions: '../handler/api.ts',
  BatchOptions: '../handler/api.ts',
  RetryPolicy: '../../policy/retry.ts',
  DeadLetterFilter: '../administration/api.ts',
  ScheduleOptions: '../schedule/api.ts',
}

/** Names of the properties that an interface itself declares. */
function declared(name: string): string[] {
  const text = readFileSync(new URL(sources[name] as string, import.meta.url), 'utf8')
  const body = new RegExp(`export interface ${name}\\b[^{]*\\{\\n([\\s\\S]*?)\\n\\}`).exec(text)?.[1]
  assert.ok(body !== undefined, `${name} is not in ${sources[name]}`)
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map((match) => match[1] as string)
}

test('the tables of docs/reference/api.md name exactly the options of the types', () => {
  const text = readFileSync(page, 'utf8')
  for (const name of Object.keys(sources)) {
    const table = new RegExp(`<!-- ${name} -->\\n((?:\\|.*\\n)+)`).exec(text)?.[1]
    assert.ok(table !== undefined, `no table for ${name}`)
    const documented = [...table.matchAll(/^\| `(\w+)` \| ([^|]|\\\|)+\|/gm)].map((match) => match[1] as string)
    assert.deepEqual(documented.sort(), declared(name).sort(), name)
  }
})
