/** Proving who we are: SASL PLAIN, and SCRAM (RFC 5802), in which the server proves that it knows the password, too. */
import { createHash, createHmac, pbkdf2 as pbkdf2Callback, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { SluiceError } from '@sluice/core/transport'
import { check } from '../errors.ts'
import type { Credentials } from '../options.ts'
import type { Api } from '../protocol/requests/api.ts'
import { saslAuthenticate, saslHandshake } from '../protocol/requests/cluster.ts'

const pbkdf2 = promisify(pbkdf2Callback)
/** A server that asks for more would only keep the processor busy. */
const iterationsMax = 1_000_000

/** What this needs of a connection. */
export interface Talk {
  call<Ask, Answer>(api: Api<Ask, Answer>, ask: Ask): Promise<Answer>
}

/** Rejects with SASL_AUTHENTICATION_FAILED, or UNSUPPORTED_SASL_MECHANISM. */
export async function authenticate(on: Talk, { mechanism, username, password }: Credentials): Promise<void> {
  const { error } = await on.call(saslHandshake, { mechanism })
  check(error, `the mechanism ${mechanism}`)
  if (mechanism === 'PLAIN') await say(on, Buffer.from(`\0${username}\0${password}`))
  else await scram(on, mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512', username, password)
}

async function say(on: Talk, bytes: Buffer): Promise<string> {
  const { error, bytes: answer } = await on.call(saslAuthenticate, { bytes })
  check(error, 'authentication')
  return answer.toString()
}

async function scram(on: Talk, hash: 'sha256' | 'sha512', username: string, password: string): Promise<void> {
  const nonce = randomBytes(18).toString('base64')
  const first = `n=${username.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`
  const challenge = await say(on, Buffer.from(`n,,${first}`))
  const { r: both = '', s: salt = '', i: rounds = '0' } = fields(challenge)
  const iterations = Number(rounds)
  if (!both.startsWith(nonce) || both === nonce || !(iterations >= 1 && iterations <= iterationsMax)) throw impostor()
  const size = hash === 'sha256' ? 32 : 64
  const salted = await pbkdf2(password.normalize('NFKC'), Buffer.from(salt, 'base64'), iterations, size, hash)
  const hmac = (key: Buffer, text: string): Buffer => createHmac(hash, key).update(text).digest()
  const last = `c=biws,r=${both}`
  const said = `${first},${challenge},${last}`
  const clientKey = hmac(salted, 'Client Key')
  const signature = hmac(createHash(hash).update(clientKey).digest(), said)
  const proof = clientKey.map((byte, i) => byte ^ (signature[i] as number))
  const { v: verifier = '' } = fields(await say(on, Buffer.from(`${last},p=${Buffer.from(proof).toString('base64')}`)))
  const expected = hmac(hmac(salted, 'Server Key'), said)
  const shown = Buffer.from(verifier, 'base64')
  if (shown.length !== expected.length || !timingSafeEqual(shown, expected)) throw impostor()
}

function fields(text: string): Readonly<Record<string, string>> {
  return Object.fromEntries(text.split(',').map((part) => [part.slice(0, 1), part.slice(2)]))
}

function impostor(): SluiceError {
  return new SluiceError('TRANSPORT_FAILED', 'the broker could not prove that it knows the password', { fix: 'Is this the right broker?' })
}
