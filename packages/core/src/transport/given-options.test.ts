import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { GivenOptions } from './given-options.ts'

const names = ['beats', 'prefix', 'kind', 'tunnel', 'password', 'passwordFile', 'ca', 'cert', 'key', 'tls']
const inUrl = { beat: 'beats', prefix: 'prefix', kind: 'kind', passwordFile: 'passwordFile', ca: 'ca' }

function given(query: string, acme?: unknown): GivenOptions {
  return new GivenOptions({ key: 'acme', names, inUrl }, new URLSearchParams(query), { options: acme === undefined ? {} : { acme } })
}

test('an option outranks the URL; what is given nowhere has its default', () => {
  const kind = (options: GivenOptions): string => options.choice('kind', ['quorum', 'classic'])
  assert.deepEqual(
    [given('').integer('beats', 10, 1, 60), kind(given('')), given('').flag('tunnel'), given('').text('prefix', /./, '')],
    [10, 'quorum', false, undefined],
  )
  assert.deepEqual([given('beat=5').integer('beats', 10, 1, 60), kind(given('kind=classic'))], [5, 'classic'])
  assert.equal(given('beat=5', { beats: 7 }).integer('beats', 10, 1, 60), 7)
  assert.equal(given('beat=5', { beats: undefined }).integer('beats', 10, 1, 60), 5)
  assert.equal(given('prefix=2026').text('prefix', /^\w+$/, 'letters'), '2026', 'text of digits stays text')
})

test('what cannot be is refused by name, without its value', () => {
  const secret = { code: 'INVALID_OPTION', message: /^(?!.*CANARY)/s }
  assert.throws(() => given('nonsense=CANARY'), secret)
  assert.throws(() => given('__proto__=CANARY'), secret)
  for (const acme of ['CANARY', { unknown: 'CANARY' }]) assert.throws(() => given('', acme), secret)
  for (const beats of ['5', 0, 61, 1.5, Number.NaN, null]) assert.throws(() => given('', { beats }).integer('beats', 10, 1, 60), secret)
  for (const beat of ['', '1e1', ' 5', 'CANARY', '61']) assert.throws(() => given(`beat=${beat}`).integer('beats', 10, 1, 60), secret)
  assert.throws(() => given('kind=CANARY').choice('kind', ['quorum', 'classic']), {
    code: 'INVALID_OPTION',
    message: /acme\.kind must be one of quorum, classic/,
  })
  assert.throws(() => given('prefix=CANARY CANARY').text('prefix', /^\w*$/, 'letters'), secret)
  assert.throws(() => given('', { tunnel: 'CANARY' }).flag('tunnel'), secret)
  assert.throws(() => given('', { password: 7 }).password(), secret)
  assert.throws(() => given('', { tls: 'CANARY' }).tls(), secret)
})

test('passwords and certificates come from files; of a password the end of its line is not part', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-options-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [secret, ca] = [join(folder, 'secret'), join(folder, 'ca.pem')]
  writeFileSync(secret, ' p w \r\n')
  writeFileSync(ca, '-----BEGIN CERTIFICATE-----\n')
  assert.deepEqual([given('').password(), given('', { password: 'p' }).password()], [undefined, 'p'])
  assert.equal(given(`passwordFile=${encodeURIComponent(secret)}`).password(), ' p w ')
  assert.deepEqual(given('', { tls: { servername: 's' }, ca }).tls(), { servername: 's', ca: '-----BEGIN CERTIFICATE-----\n' })
  assert.equal(given('', { ca }).pem('ca')?.path, ca)
  assert.throws(() => given('', { ca: secret }).pem('ca'), { code: 'INVALID_OPTION', message: /nothing in PEM form/ })
  assert.throws(() => given('', { ca: join(folder, 'none') }).tls(), { code: 'INVALID_OPTION', message: /none that acme\.ca names cannot be read/ })
  assert.throws(() => given('', { passwordFile: 7 }).password(), { code: 'INVALID_OPTION', message: /must be the path of a file/ })
})
