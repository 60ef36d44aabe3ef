import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../errors/index.ts'
import { noConnection } from './no-connection.ts'

const said = (code: string): readonly [code: string, message: string] => {
  const error = noConnection(new Error('outer', { cause: Object.assign(new Error('inner'), { code }) }), 'acme://h:1', 'acme', 'Is it there?')
  return [error.code, error.message]
}

test('what the certificate is at fault for is told apart from a server that is not there, each with what to do', () => {
  for (const code of ['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'CERT_UNTRUSTED', 'INVALID_CA']) {
    const [kind, message] = said(code)
    assert.deepEqual([kind, message.includes('acme: { ca }')], ['TRANSPORT_UNTRUSTED', true], code)
  }
  for (const code of ['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID', 'ERR_TLS_CERT_ALTNAME_INVALID']) {
    const [kind, message] = said(code)
    assert.deepEqual([kind, message.includes('{ ca }')], ['TRANSPORT_UNTRUSTED', false], code)
  }
  assert.match(said('ECONNREFUSED').join(), /^TRANSPORT_FAILED,.*cannot connect to acme:\/\/h:1 \(ECONNREFUSED\).*Start the server/)
  assert.match(said('EPROTO').join(), /^TRANSPORT_FAILED,.*Is it there\?/)
  assert.match(String(noConnection('no error at all', 'acme://h', 'acme', 'Is it there?')), /cannot connect to acme:\/\/h\. Is it there\?/)
})

test('an error that says what it is stays', () => {
  const error = new SluiceError('TRANSPORT_UNAUTHENTICATED', 'wrong password')
  assert.equal(noConnection(error, 'acme://h', 'acme', ''), error)
})
