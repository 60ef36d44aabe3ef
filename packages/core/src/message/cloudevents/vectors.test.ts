/** Runs the golden vectors, and the independent reader of packages/core/test/vectors/reader.py over the same files. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '../../errors/index.ts'
import { type AttributeName, checkAttribute, validateEnvelope } from '../attributes.ts'
import type { Envelope } from '../envelope.ts'
import { checkHeaders } from '../headers.ts'
import { sizeOf } from '../size.ts'
import { type BinaryPrefix, fromBinary, toBinary } from './binary.ts'
import { fromStructured, toStructured } from './structured.ts'

interface Body {
  readonly text?: string
  readonly base64?: string
}
interface WireCase {
  readonly name: string
  readonly structured?: string
  readonly binary?: {
    readonly prefix: BinaryPrefix
    readonly contentType?: string
    readonly headers: readonly (readonly [string, unknown])[]
    readonly body: Body
  }
}
interface MessageCase {
  readonly name: string
  readonly envelope: Omit<Envelope, 'body'> & { readonly body: Body }
  readonly sizeBytes: number
  readonly structured: string
  readonly binary: Readonly<Record<BinaryPrefix, { readonly contentType: string; readonly headers: Readonly<Record<string, string>> }>>
}
interface RuleCase {
  readonly attribute?: AttributeName
  readonly header?: string
  readonly value: unknown
  readonly valid: boolean
}

const folder = new URL('../../../test/vectors/', import.meta.url)
const load = <Case>(file: string): { readonly receivedAt: string; readonly cases: readonly Case[] } => JSON.parse(readFileSync(new URL(file, folder), 'utf8'))
const bodyOf = (body: Body): string | Uint8Array => body.text ?? Buffer.from(body.base64 as string, 'base64')
const headerOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'base64' in value ? Buffer.from(value.base64 as string, 'base64') : value

/** With the body as bytes: text and its UTF-8 are the same message. */
const comparable = (envelope: Envelope): unknown => ({ ...envelope, body: Buffer.from(envelope.body as string).toString('base64') })

function read(one: WireCase, receivedAt: string): Envelope {
  const options = { receivedAtMs: Date.parse(receivedAt) }
  const binary = one.binary
  if (binary === undefined) return fromStructured(one.structured as string, options)
  return fromBinary(
    binary.prefix,
    { contentType: binary.contentType, headers: binary.headers.map(([name, value]) => [name, headerOf(value)] as const), body: bodyOf(binary.body) },
    options,
  )
}

describe('golden vectors', () => {
  const messages = load<MessageCase>('messages.json')
  const invalid = load<WireCase & { readonly error: string }>('invalid.json')
  it('are enough', () => assert.ok(messages.cases.length >= 45 && invalid.cases.length >= 80))

  for (const one of messages.cases) {
    it(`message: ${one.name}`, () => {
      const envelope: Envelope = { ...one.envelope, body: bodyOf(one.envelope.body) }
      validateEnvelope(envelope)
      assert.equal(sizeOf(envelope), one.sizeBytes)
      assert.equal(toStructured(envelope), one.structured)
      const options = { receivedAtMs: 0 }
      for (const form of [one.structured, Buffer.from(one.structured, 'utf8')])
        assert.deepEqual(comparable(fromStructured(form, options)), comparable(envelope))
      for (const [prefix, { contentType, headers }] of Object.entries(one.binary) as [
        BinaryPrefix,
        { contentType: string; headers: Record<string, string> },
      ][]) {
        assert.deepEqual(toBinary(prefix, envelope), { contentType, headers, body: envelope.body })
        assert.deepEqual(comparable(fromBinary(prefix, { contentType, headers, body: envelope.body }, options)), comparable(envelope))
      }
    })
  }

  const foreign = load<WireCase & Pick<MessageCase, 'envelope'>>('foreign.json')
  for (const one of foreign.cases) {
    it(`of a stranger: ${one.name}`, () =>
      assert.deepEqual(comparable(read(one, foreign.receivedAt)), comparable({ ...one.envelope, body: bodyOf(one.envelope.body) })))
  }

  for (const one of invalid.cases) {
    it(`refused: ${one.name}`, () => {
      assert.throws(
        () => read(one, invalid.receivedAt),
        (error: unknown) => error instanceof SluiceError && error.code === one.error && error.scope === 'message',
      )
    })
  }

  for (const one of load<RuleCase>('rules.json').cases) {
    const subject = one.attribute ?? `header ${JSON.stringify(one.header).slice(0, 40)}`
    it(`${one.valid ? 'allowed' : 'not allowed'}: ${subject} ${JSON.stringify(one.value).slice(0, 40)}`, () => {
      const check = (): void =>
        one.attribute === undefined ? checkHeaders({ [one.header as string]: one.value as string }) : checkAttribute(one.attribute, one.value)
      if (one.valid) check()
      else assert.throws(check, { name: 'SluiceError', code: one.attribute === undefined ? 'INVALID_HEADER' : 'INVALID_ATTRIBUTE' })
    })
  }
})

describe('an independent reader and writer', () => {
  const python = spawnSync('python3', ['--version'], { encoding: 'utf8' })
  it('agrees on every vector', { skip: python.status === 0 ? false : 'needs python3' }, () => {
    const result = spawnSync('python3', [fileURLToPath(new URL('reader.py', folder))], { encoding: 'utf8', env: { ...process.env, PYTHONIOENCODING: 'utf-8' } })
    assert.equal(result.status, 0, result.stderr)
    const counts = JSON.parse(result.stdout) as Record<string, number>
    for (const [file, least] of Object.entries({ messages: 400, foreign: 20, invalid: 80, rules: 90, 'json-parsing': 350 }))
      assert.ok((counts[file] ?? 0) >= least, file)
  })
})
