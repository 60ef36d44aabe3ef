import assert from 'node:assert/strict'
import { isSluiceError, type SendReport } from '@sluice/core/transport'
import { assertOrderPerKey, bodies, eventually } from '../probe/probe.ts'
import type { Subject } from '../suite/case.ts'
import { message, numbered } from '../suite/rig.ts'

/** The case that needs a transaction of the application: left out by whoever cannot begin one. */
export const ownTransaction = 'inside an application transaction: committed means sent, rolled back means never there'

/** What `send` promises. */
export const sending: Subject = {
  name: 'sending',
  cases: [
    {
      name: 'durable accept: what was confirmed is there after the sender has closed',
      needs: (facts) => (facts.confirm === 'none' ? 'a confirm means nothing here' : undefined),
      async run(rig) {
        const first = await rig.channel({ groups: ['g'] })
        const sent = numbered(100, ['a', 'b', undefined])
        assert.deepEqual((await first.send(sent)).failures, [])
        await rig.close(first)
        const probe = await rig.join(await rig.open())
        const got = await probe.drain(100)
        assert.deepEqual(bodies(got).toSorted(), sent.map((m) => m.envelope.body).toSorted())
      },
    },
    {
      name: 'an envelope arrives as it was sent, every attribute of it',
      async run(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        const everything = message({
          key: 'ключ-🔑',
          body: new Uint8Array([0, 255, 128, 10, 13]),
          headers: { 'x-text': 'ünïcode 🧵', 'x-empty': '' },
          subject: 'about/this',
          tags: ['red', 'größe'],
          envelope: {
            datacontenttype: 'application/octet-stream',
            dataschema: 'urn:x',
            sequence: '17',
            schemaversion: 3,
            correlationid: 'c1',
            causationid: 'c0',
            traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
            tracestate: 'a=b',
            replyto: 'r',
            replyfor: 'q',
            expirytime: '2099-01-01T00:00:00.000Z',
            producerid: 'p',
            producerepoch: 2,
            producerseq: 9_007_199_254_740_991,
          },
        })
        const variants = [
          everything,
          message({ body: '' }),
          message({ body: new Uint8Array(0) }),
          message({ body: 'null' }),
          message({ body: '\u0000\u2028\ud83d\ude00 "\\' }),
          message({ body: '{"__proto__":{"x":1}}', headers: { constructor: 'x' } }),
          message({ id: 'x'.repeat(255) }),
          message({ key: "a'; DROP TABLE messages; --" }),
          message({ key: '%_*.#' }),
        ]
        assert.deepEqual((await transport.send(variants)).failures, [])
        const got = await (await rig.join(transport)).drain(variants.length)
        const byId = new Map(got.map((delivery) => [delivery.envelope.id, delivery]))
        for (const sent of variants) {
          const delivery = byId.get(sent.envelope.id)
          assert.ok(delivery, `${sent.envelope.id} came`)
          const { body, ...attributes } = delivery.envelope
          const { body: sentBody, ...sentAttributes } = sent.envelope
          assert.deepEqual({ ...attributes }, { ...sentAttributes })
          assert.equal(typeof body, typeof sentBody)
          assert.deepEqual(Buffer.from(body), Buffer.from(sentBody))
          assert.equal(delivery.sizeBytes, sent.sizeBytes)
          assert.deepEqual(
            [delivery.attempt, delivery.deliveries, delivery.firstDeliveredAtMs, delivery.notBeforeMs, delivery.suspect, delivery.fromLot, delivery.note],
            [0, 0, undefined, 0, false, false, undefined],
          )
        }
      },
    },
    {
      name: 'the largest body passes',
      async run(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        const bytes = Math.min(rig.facts.messageBytesMax - 1_000, 8 * 1024 * 1024)
        const body = new Uint8Array(bytes).map((_, i) => i * 31)
        assert.deepEqual((await transport.send([message({ body })])).failures, [])
        const [got] = await (await rig.join(transport)).drain(1)
        assert.ok(got !== undefined && Buffer.compare(Buffer.from(got.envelope.body), body) === 0)
      },
    },
    {
      name: 'oversize: refused, typed, nothing stored; the rest of the batch is',
      needs: (facts) => (facts.messageBytesMax > 64 * 1024 * 1024 ? 'messages of more than 64 MiB are allowed' : undefined),
      async run(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        const body = 'x'.repeat(rig.facts.messageBytesMax + 1)
        const report = await transport.send([message({ body: 'before' }), message({ body }), message({ body: 'after' })])
        assertFailures(report, [[1, 'MESSAGE_TOO_LARGE', false]])
        const probe = await rig.join(transport)
        assert.deepEqual(bodies(await probe.drain(2)).toSorted(), ['after', 'before'])
        await probe.quiet()
      },
    },
    {
      name: 'one bad entry: later ones of its key are not sent, all others are',
      needs: (facts) => (facts.publishOrder === 'kept' ? undefined : 'it does not keep the order of sends by itself'),
      async run(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        const huge = 'x'.repeat(Math.min(rig.facts.messageBytesMax + 1, 64 * 1024 * 1024 + 1))
        const report = await transport.send([
          message({ key: 'a', body: '0' }),
          message({ key: 'a', body: huge }),
          message({ key: 'b', body: '2' }),
          message({ key: 'a', body: '3' }),
          message({ body: '4' }),
        ])
        assertFailures(report, [
          [1, 'MESSAGE_TOO_LARGE', false],
          [3, 'NOT_SENT', true],
        ])
        assert.deepEqual(bodies(await (await rig.join(transport)).drain(3)).toSorted(), ['0', '2', '4'])
      },
    },
    {
      name: 'order of a key is the order of calls, when calls overlap',
      needs: (facts) => (facts.publishOrder === 'kept' ? undefined : 'it does not keep the order of sends by itself'),
      async run(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        const calls = Array.from({ length: 40 }, (_, i) => transport.send(numbered(10, ['a', 'b', 'c'], i * 10)))
        for (const report of await Promise.all(calls)) assert.deepEqual(report.failures, [])
        const got = await (await rig.join(transport)).drain(400)
        assertOrderPerKey(got)
      },
    },
    {
      name: 'sent again under the same ids: nothing is lost or reordered, and no id that was there comes out of order',
      async run(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        const sent = numbered(20, ['a', 'b'])
        await transport.send(sent.slice(0, 12))
        assert.deepEqual((await transport.send(sent, { resend: true })).failures, [])
        const probe = await rig.join(transport)
        const seen = new Set<string>()
        const first = []
        while (seen.size < 20) {
          for (const delivery of await probe.take(1)) {
            if (!seen.has(delivery.envelope.id)) first.push(delivery)
            seen.add(delivery.envelope.id)
            probe.consumer.accept([delivery])
          }
        }
        assertOrderPerKey(first)
      },
    },
    {
      name: 'unroutable: an event that no group asked for is kept and counted, and a late group gets it',
      needs: (facts) => (facts.lateGroup === 'start' ? undefined : 'a late group cannot start at the beginning'),
      async run(rig) {
        const transport = await rig.channel()
        assert.deepEqual((await transport.send(numbered(3, ['a']))).failures, [])
        const [status] = await transport.admin.channels()
        assert.equal(status?.unrouted, 3)
        assert.equal(status.stored, 3)
        assert.deepEqual(bodies(await (await rig.join(transport)).drain(3)), ['0', '1', '2'])
      },
    },
    {
      name: 'unroutable: with rejectUnrouted it is an error and is not stored',
      async run(rig) {
        const transport = await rig.channel()
        assertFailures(await transport.send([message({ rejectUnrouted: true })]), [[0, 'UNROUTED', false]])
        assert.equal((await transport.admin.channels())[0]?.stored, 0)
        const probe = await rig.join(transport)
        assert.deepEqual((await transport.send([message({ rejectUnrouted: true, body: 'now' })])).failures, [])
        assert.deepEqual(bodies(await probe.drain(1)), ['now'])
      },
    },
    {
      name: 'unroutable: a channel that nobody declared',
      async run(rig) {
        const transport = await rig.channel()
        assertFailures(await transport.send([message({ channel: 'never-declared' }), message()]), [[0, 'UNROUTED', false]])
      },
    },
    {
      name: 'deduplicate: the second within the window is confirmed with the first id, and not stored',
      needs: (facts) => (facts.deduplicationMsMax >= 60_000 ? undefined : 'there is no deduplication window'),
      async run(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        const deduplicate = { key: 'once', windowMs: 60_000 }
        await transport.send([message({ id: 'first', body: '1', deduplicate })])
        const report = await transport.send([
          message({ id: 'second', body: '2', deduplicate }),
          message({ id: 'third', body: '3', deduplicate: { key: 'other', windowMs: 60_000 } }),
          message({ id: 'fourth', body: '4', deduplicate: { key: 'other', windowMs: 60_000 } }),
        ])
        assert.deepEqual(report.failures, [])
        assert.deepEqual(
          [...(report.duplicates ?? [])],
          [
            [0, 'first'],
            [2, 'third'],
          ],
        )
        const probe = await rig.join(transport)
        assert.deepEqual(bodies(await probe.drain(2)).toSorted(), ['1', '3'])
        await probe.quiet()
        // The window ends.
        await transport.send([message({ body: '5', deduplicate: { key: 'short', windowMs: 1 } })])
        await eventually(
          async () => rig.clock.nowMs(),
          (nowMs) => nowMs > Date.now() - 1,
          'the clock to run',
        )
        await new Promise((resolve) => setTimeout(resolve, 5))
        await transport.send([message({ body: '6', deduplicate: { key: 'short', windowMs: 1 } })])
        assert.deepEqual(bodies(await probe.drain(2)), ['5', '6'])
      },
    },
    {
      name: ownTransaction,
      needs: (facts) => (facts.transaction === 'none' ? 'it joins no transaction' : undefined),
      async refused(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        await assert.rejects(transport.send([message()], { transaction: {} }), { code: 'UNSUPPORTED' })
        assert.equal((await transport.admin.channels())[0]?.stored, 0)
      },
      async run(rig) {
        const transport = await rig.channel()
        const probe = await rig.join(transport)
        const begin = rig.place.transaction
        assert.ok(begin, 'the suite was told how to begin a transaction')
        for (const [body, ends] of [
          ['gone', 'rollback'],
          ['kept', 'commit'],
          ['gone too', 'rollback'],
          ['kept too', 'commit'],
        ] as const) {
          const open = await begin(rig.place.url)
          assert.deepEqual((await transport.send([message({ body, key: 'a' })], { transaction: open.transaction })).failures, [])
          open[ends]()
        }
        assert.deepEqual(bodies(await probe.drain(2)), ['kept', 'kept too'])
        await probe.quiet()
      },
    },
    {
      name: 'after close nothing is accepted, and close may be called twice',
      async run(rig) {
        const transport = await rig.channel({ groups: ['g'] })
        const pending = transport.send(numbered(5, ['a']))
        await transport.close()
        assert.deepEqual((await pending).failures, [], 'what was under way is finished')
        await transport.close()
        const report = await transport.send([message()]).catch((error: unknown) => {
          assert.ok(isSluiceError(error, 'TRANSPORT_CLOSED'))
          return undefined
        })
        if (report !== undefined) assertFailures(report, [[0, 'TRANSPORT_CLOSED', false]])
        assert.equal((await (await rig.open()).admin.groups())[0]?.backlog, 5)
      },
    },
  ],
}

function assertFailures(report: SendReport, expected: readonly (readonly [index: number, code: string, retryable: boolean])[]): void {
  assert.deepEqual(
    report.failures.map((failure) => [failure.index, failure.error.code, failure.retryable]),
    expected,
  )
  for (const failure of report.failures) assert.equal(failure.state, 'failed')
}
