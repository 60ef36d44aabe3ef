import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '@sluice/core/transport'
import { type RabbitOptions, readUrl } from '../options.ts'
import { connectError } from './errors.ts'
import { Link } from './link.ts'

/** What opening a connection to a server says that does this with who comes. */
async function refusal(
  scheme: 'amqp' | 'amqps',
  greet: (socket: Socket) => void,
  given: Partial<RabbitOptions> = {},
  before: () => void = () => undefined,
): Promise<unknown> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    greet(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const at = server.address()
  assert.ok(at !== null && typeof at === 'object')
  const { address, options } = readUrl(`${scheme}://app:CANARY@127.0.0.1:${at.port}`, { options: { rabbitmq: given } })
  const link = new Link(address, options, { clock: systemClock, service: 's', instanceId: 'i', report: () => undefined, options: {} }, 'publishing')
  before()
  try {
    await link.open()
    return undefined
  } catch (error) {
    return error
  } finally {
    server.close()
  }
}

/** A method of AMQP 0-9-1 on channel 0, its arguments after the class and its number. */
function method(number: number, args: Buffer): Buffer {
  const payload = Buffer.concat([Buffer.from([0, 10, 0, number]), args])
  const head = Buffer.from([1, 0, 0, 0, 0, 0, 0])
  head.writeUInt32BE(payload.length, 3)
  return Buffer.concat([head, payload, Buffer.from([0xce])])
}

function longString(text: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.length)
  return Buffer.concat([length, Buffer.from(text)])
}

/** Opens a connection as a server does that says this is its version. */
function openAs(version: string): (socket: Socket) => void {
  const properties = Buffer.concat([Buffer.from('\x07versionS', 'latin1'), longString(version)])
  const start = [Buffer.from([0, 9]), longString(properties.toString('latin1')), longString('PLAIN'), longString('en_US')]
  return (socket) => {
    // What it says to what it hears: start to the protocol's name, tune to start-ok, open-ok to open, close-ok to close.
    const answers = new Map([
      [11, method(30, Buffer.from([0x07, 0xff, 0, 2, 0, 0, 0, 0]))],
      [40, method(41, Buffer.from([0]))],
      [50, method(51, Buffer.alloc(0))],
    ])
    socket.once('data', () => {
      socket.write(method(10, Buffer.concat(start)))
      let heard = Buffer.alloc(0)
      socket.on('data', (bytes: Buffer) => {
        heard = Buffer.concat([heard, bytes])
        while (heard.length >= 8 && heard.length >= 8 + heard.readUInt32BE(3)) {
          const answer = answers.get(heard.readUInt16BE(9))
          if (answer !== undefined) socket.write(answer)
          heard = heard.subarray(8 + heard.readUInt32BE(3))
        }
      })
    })
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : error)

test("amqps: where the server speaks plain is told so, and is no wrong password (OpenSSL's text may hold 403)", async () => {
  const error = await refusal('amqps', (socket) => socket.end('AMQP\0\0\x09\x01'))
  assert.equal(codeOf(error), 'TRANSPORT_FAILED')
  assert.match(String(error), /amqp:\/\/ where it does not/)
  // The number of a thread, as it came once.
  const text = '4033448ED57F0000:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number'
  assert.equal(connectError(Object.assign(new Error(text), { code: 'ERR_SSL_WRONG_VERSION_NUMBER' }), 'h').code, 'TRANSPORT_FAILED')
})

test('amqp: where the server speaks TLS, which hangs up on it, is told so', async () => {
  for (const hangUp of [(socket: Socket) => socket.resetAndDestroy(), (socket: Socket) => socket.end()]) {
    const error = await refusal('amqp', (socket) => void socket.once('data', () => hangUp(socket)))
    assert.equal(codeOf(error), 'TRANSPORT_FAILED')
    assert.match(String(error), /amqps:\/\/ where the server speaks TLS/)
  }
})

test('a file that cannot be read is named, also when it went after the options were read', async () => {
  for (const query of ['ca=/there/is/no/file', 'passwordFile=/there/is/no/file'])
    assert.throws(() => readUrl(`amqp://app@h?${query}`, { options: {} }), { code: 'INVALID_OPTION', message: /the file \/there\/is\/no\/file/ })
  const folder = mkdtempSync(join(tmpdir(), 'sluice-rabbitmq-'))
  const ca = join(folder, 'ca.pem')
  writeFileSync(ca, '-----BEGIN CERTIFICATE-----\n')
  const error = await refusal(
    'amqps',
    () => undefined,
    { ca },
    () => rmSync(folder, { recursive: true }),
  )
  assert.equal(codeOf(error), 'INVALID_OPTION')
  assert.match(String(error), /the file .*ca\.pem cannot be read/)
})

test('a server that is too old is refused by the version it opens the connection with', async () => {
  for (const version of ['3.8.2', '3.9.29']) {
    const error = await refusal('amqp', openAs(version))
    assert.equal(codeOf(error), 'SERVER_TOO_OLD', String(error))
    assert.match(String(error), new RegExp(`is version ${version}, and 3\\.10 is needed`))
    assert.ok(!String(error).includes('CANARY'))
  }
})
