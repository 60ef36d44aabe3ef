/** Kafka with TLS by a private authority, passwords and rights: a server of this file's own. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { numbered, Rig } from '@sluice/conformance'
import { type Delivery, isSluiceError, newId } from '@sluice/core/transport'
import { transport } from '@sluice/kafka'
import { ownServer } from './own-server.ts'

/** Below `shop.`, which the user may use; each use anew. */
const fresh = (): string => `prefix=shop.${newId()}.`

async function open(url: string, kafka: object = {}): Promise<Rig> {
  const rig = new Rig({ factory: transport, url, options: { kafka: { sessionMs: 2_500, ...kafka } } })
  await rig.open()
  return rig
}

async function refusal(url: string, kafka: object = {}): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await open(url, kafka)
  } catch (error) {
    assert.ok(isSluiceError(error), String(error))
    assert.ok(!error.message.includes('secret') && !JSON.stringify(error).includes('secret'))
    return error
  }
  assert.fail('it was let in')
}

/** Whatever needs a right is done once: topics, groups, a transaction, figures, removing. */
async function useIt(url: string, kafka: object = {}): Promise<void> {
  const rig = await open(url, kafka)
  try {
    const sender = await rig.channel({ groups: ['g'], partitions: 2 })
    await sender.send(numbered(10, ['a', undefined]))
    const probe = await rig.join(await rig.open())
    const [first, ...rest] = await probe.take(10)
    await probe.deadLetter(first as Delivery, 'continue')
    probe.consumer.accept(rest)
    await probe.consumer.flush()
    assert.equal((await sender.admin.groups('c'))[0]?.backlog, 0)
    assert.equal((await sender.admin.deadLetters('c', 'g', {})).length, 1)
    assert.equal(rig.reports.filter(({ level }) => level !== 'info').length, 0, JSON.stringify(rig.reports))
    await probe.consumer.close()
    await sender.admin.removeGroup('c', 'g')
  } finally {
    await rig.close()
  }
}

/** A broker between that says of itself that it knows OffsetFetch (9) only up to an old version. */
async function olderBroker(port: number): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const broker = connect({ host: '127.0.0.1', port })
    for (const socket of [client, broker]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
    }
    client.pipe(broker)
    broker.on('data', (bytes: Buffer) => {
      // An entry of ApiVersions: key, lowest and highest version.
      const at = bytes.indexOf(Buffer.from([0, 9, 0, 1, 0]))
      if (at >= 0) bytes.writeInt16BE(6, at + 4)
      client.write(bytes)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

describe('kafka: TLS, passwords and rights', { concurrency: 1 }, () => {
  let server: Awaited<ReturnType<typeof ownServer>>
  let extras: Readonly<Record<string, string>>
  before(async () => {
    server = await ownServer('kafka-tls')
    extras = server.extras
  })
  after(() => server.down())

  test('a private authority by its file, and a narrow user: all that is needed can be done, with each mechanism', async () => {
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']) await useIt(`${server.url}?${fresh()}&ca=${extras.ca}&mechanism=${mechanism}`)
  })

  test('a password without TLS, TLS without a password, the password from a file', async () => {
    await useIt(`${extras.passwordOnly}?${fresh()}&mechanism=SCRAM-SHA-256`)
    const rig = await open(`${extras.tlsOnly}?${fresh()}`, { ca: extras.ca })
    await rig.close()
    const file = join(extras.ca ?? '', '..', 'password')
    writeFileSync(file, 'secret\n')
    await useIt(`${server.url.replace(':secret', '')}?${fresh()}&mechanism=SCRAM-SHA-512&passwordFile=${file}`, { ca: extras.ca })
  })

  test('an unknown authority, a wrong password, no user, a user that is not asked for, one without rights: each is told apart', async () => {
    const { ca, guarded = '', passwordOnly = '', tlsOnly = '', neither = '' } = extras
    const refusedAs = async (code: string, url: string, text: RegExp, kafka: object = { ca }): Promise<void> => {
      const said = await refusal(url, kafka)
      assert.equal(said.code, code, said.message)
      assert.match(said.message, text)
    }
    await refusedAs('TRANSPORT_UNTRUSTED', server.url, /(SELF_SIGNED|UNABLE_TO).*\?ca=/, {})
    await refusedAs('TRANSPORT_UNTRUSTED', server.url, /ALTNAME.*a name that the certificate holds/, { ca, tls: { servername: 'else.where' } })
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'])
      await refusedAs('TRANSPORT_UNAUTHENTICATED', `${server.url.replace('secret', 'wrong')}?mechanism=${mechanism}`, /passwordFile/)
    await refusedAs('TRANSPORT_UNAUTHENTICATED', tlsOnly.replace('//', '//app:secret@'), /takes no user/)
    await refusedAs('TRANSPORT_UNAUTHENTICATED', passwordOnly.replace('app:secret@', ''), /asks for a user/)
    await refusedAs('TRANSPORT_FAILED', neither.replace('kafka:', 'kafka+ssl:'), /plain \(kafka:\) or TLS/)
    await refusedAs('TRANSPORT_FAILED', tlsOnly.replace('kafka+ssl:', 'kafka:'), /plain \(kafka:\) or TLS/)
    await refusedAs('TRANSPORT_FORBIDDEN', guarded, /rights/)
    await refusedAs('TRANSPORT_FORBIDDEN', `${server.url}?prefix=other.`, /rights/)
    await refusedAs('INVALID_OPTION', server.url, /cannot be read/, { ca: '/no/such/file' })
    const empty = join(ca ?? '', '..', 'empty.pem')
    writeFileSync(empty, 'nothing\n')
    await refusedAs('INVALID_OPTION', server.url, /PEM/, { ca: empty })
  })

  test('brokers that are too old are refused by what they cannot do', async () => {
    const older = await olderBroker(Number(new URL(extras.neither ?? '').port))
    try {
      const said = await refusal(`kafka://127.0.0.1:${older.port}`, { tunnel: true })
      assert.equal(said.code, 'SERVER_TOO_OLD', said.message)
      assert.match(said.message, /OffsetFetch.*Use Kafka 2\.5/)
    } finally {
      older.close()
    }
  })
})
