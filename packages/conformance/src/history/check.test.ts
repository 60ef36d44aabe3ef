import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Random, seededRandom } from '@sluice/core/transport'
import { checkHistory } from './check.ts'
import type { HistoryEvent, HistoryScope, Invariant } from './event.ts'
import { goodHistory, goodScope } from './good.fixture.ts'

type Line = Omit<HistoryEvent, 'i' | 'monoNs' | 'proc'> & { readonly proc?: string }

const number = (lines: readonly Line[]): HistoryEvent[] => lines.map((line, i) => ({ proc: 'c', ...line, i, monoNs: i }))
// A line a nanosecond: a lease of ten lines.
const scope: HistoryScope = { groups: { c: ['g'], d: ['h'], empty: [] }, effects: ['g'], parking: ['g'], leaseMs: 10 / 1e6 }

// Short words for hand-written histories; `s` is a confirmed send of key k, `d…` deliveries in group g.
const send = (id: string, seq: number, more: Partial<Line> = {}): Line => ({
  type: 'invoke',
  f: 'send',
  channel: 'c',
  id,
  key: 'k',
  producer: 'p',
  seq,
  sha256: id,
  ...more,
})
const sent = (id: string, type: 'ok' | 'fail' | 'info' = 'ok'): Line => ({ type, f: 'send', id })
const s = (id: string, seq: number, more: Partial<Line> = {}): Line[] => [send(id, seq, more), sent(id)]
const begin = (id: string, more: Partial<Line> = {}): Line => ({ type: 'invoke', f: 'deliver', group: 'g', id, key: 'k', sha256: id, attempt: 1, ...more })
const end = (id: string, type: 'ok' | 'fail' | 'info' = 'ok', more: Partial<Line> = {}): Line => ({ type, f: 'deliver', group: 'g', id, ...more })
const did = (f: HistoryEvent['f'], id: string, more: Partial<Line> = {}): Line => ({ type: 'ok', f, group: 'g', id, ...more })
const done = (id: string): Line[] => [begin(id), did('effect', id), end(id), did('accept', id)]
const fault = (kind: NonNullable<HistoryEvent['fault']>, victim = 'c'): Line => ({ type: 'ok', f: 'fault', fault: kind, victim })
const dead = (id: string, more: Partial<Line> = {}): Line => did('deadletter', id, { attempt: 1, attemptsMax: 1, exhausted: true, sha256: id, ...more })
const failed = (id: string): Line[] => [begin(id), end(id, 'fail')]
const tx = (name: string, type: 'invoke' | 'ok' | 'fail' | 'info'): Line => ({ type, f: 'tx', tx: name })

const inH = (lines: readonly Line[]): Line[] => lines.map((line) => ({ ...line, group: 'h' }))
const byAnother = (lines: readonly Line[]): Line[] => lines.map((line) => ({ ...line, proc: 'c2' }))

const good: Record<string, Line[]> = {
  'redriven while nobody had taken its lane over from the dead: that may be an attempt': [
    ...s('a', 0),
    ...failed('a'),
    dead('a'),
    fault('death'),
    did('redrive', 'a'),
    dead('a', { attempt: 1, attemptsMax: 1, exhausted: true, proc: 'c2' }),
  ],
  'a dead letter that its process could not make any more': [
    ...s('a', 0),
    ...failed('a'),
    dead('a', { type: 'info' }),
    ...byAnother(done('a')),
    { type: 'fail', f: 'deadletter', group: 'g', id: 'a', key: 'k' },
  ],
  'a dead letter that a replay took back, given up again and redriven': [
    ...s('a', 0),
    ...failed('a'),
    dead('a'),
    { type: 'invoke', f: 'replay', group: 'g' },
    { type: 'ok', f: 'replay', group: 'g' },
    ...failed('a'),
    dead('a'),
    did('redrive', 'a'),
    ...done('a'),
  ],
  'accepted while a replay goes on, and again after it': [
    ...s('a', 0),
    { type: 'invoke', f: 'replay', group: 'g' },
    ...done('a'),
    { type: 'ok', f: 'replay', group: 'g' },
    begin('a'),
    end('a'),
    did('accept', 'a'),
  ],
  'a replay between an acceptance and its confirmation (torture 401247)': [
    ...s('a', 0),
    begin('a'),
    did('effect', 'a'),
    end('a'),
    did('accept', 'a', { type: 'info' }),
    { type: 'invoke', f: 'replay', group: 'g' },
    { type: 'ok', f: 'replay', group: 'g' },
    did('accept', 'a'),
    begin('a'),
    end('a'),
    did('accept', 'a'),
  ],
  'a replay of which nobody knows': [
    ...s('a', 0),
    { type: 'invoke', f: 'replay', group: 'g' },
    { type: 'info', f: 'replay', group: 'g' },
    ...done('a'),
    begin('a'),
    end('a'),
    did('accept', 'a'),
  ],
  'the turn that was frozen begins what it had taken': [...s('a', 0), fault('freeze'), ...byAnother(done('a')), begin('a'), end('a', 'info')],
  '… the batch that it had taken': [
    ...s('a', 0),
    ...s('b', 1, { key: 'l' }),
    fault('freeze'),
    ...byAnother([...done('a'), ...done('b').map((line) => (line.key === undefined ? line : { ...line, key: 'l' }))]),
    begin('a', { run: 'r' }),
    begin('b', { run: 'r', key: 'l' }),
    end('a', 'info'),
    end('b', 'info'),
  ],
  '… also where it began another one before the signal reached it': [
    ...s('a', 0),
    ...s('b', 1, { key: 'l' }),
    fault('freeze'),
    ...done('b').map((line) => (line.key === undefined ? line : { ...line, key: 'l' })),
    ...byAnother(done('a')),
    { ...fault('lease-expired'), proc: 'judge' },
    begin('a'),
    end('a', 'info'),
  ],
  'who stood still begins before its lease is lost for that, and is told after another has begun': [
    ...s('a', 0),
    { ...fault('freeze'), sinceNs: 1, proc: 'judge' },
    { ...fault('lease-expired'), sinceNs: 1, proc: 'judge' },
    begin('a'),
    ...byAnother([begin('a')]),
    fault('lease-expired'),
    end('a', 'info'),
    ...byAnother([did('effect', 'a'), end('a'), did('accept', 'a')]),
  ],
  'one message': [...s('a', 0), ...done('a')],
  'two of a key': [...s('a', 0), ...s('b', 1), ...done('a'), ...done('b')],
  'a failed attempt and a second': [...s('a', 0), ...failed('a'), begin('a', { attempt: 2 }), did('effect', 'a'), end('a'), did('accept', 'a')],
  'a death and a redelivery': [...s('a', 0), begin('a'), fault('death'), ...done('a').map((l) => ({ ...l, proc: 'c2' }))],
  'a dead letter': [...s('a', 0), ...failed('a'), dead('a')],
  'a dead letter of another group, continue': [
    ...s('a', 0, { channel: 'd' }),
    ...s('b', 1, { channel: 'd' }),
    ...inH([...failed('a'), dead('a'), ...done('b')]),
  ],
  'the successor of a dead letter, after it was discarded': [
    ...s('a', 0),
    ...s('b', 1),
    ...failed('a'),
    dead('a', { key: 'k' }),
    did('discard', 'a', { key: 'k' }),
    ...done('b'),
  ],
  'the successor of a dead letter that its dying holder perhaps never made': [
    ...s('a', 0),
    ...s('b', 1),
    ...failed('a'),
    dead('a', { key: 'k', type: 'info' }),
    fault('death'),
    ...byAnother([...done('a'), ...done('b')]),
  ],
  'handled by one who dies unsettled, given up by the next': [
    ...s('a', 0),
    ...byAnother([begin('a'), did('effect', 'a'), end('a'), did('accept', 'a', { type: 'info' })]),
    fault('death', 'c2'),
    dead('a'),
  ],
  'one of two under a deduplication key': [
    ...s('a', 0, { deduplicate: 'x' }),
    send('b', 1, { deduplicate: 'x' }),
    { ...sent('b', 'fail'), storedAs: 'a' },
    ...done('a'),
  ],
  'parked behind it': [...s('a', 0), ...s('b', 1), ...failed('a'), dead('a'), did('park', 'b', { behind: 'a' })],
  'redriven, then the parked one': [
    ...s('a', 0),
    ...s('b', 1),
    ...failed('a'),
    dead('a'),
    did('park', 'b', { behind: 'a' }),
    did('redrive', 'a'),
    ...done('a'),
    ...done('b'),
  ],
  'discarded, then the parked one': [
    ...s('a', 0),
    ...s('b', 1),
    ...failed('a'),
    dead('a'),
    did('park', 'b', { behind: 'a' }),
    did('discard', 'a'),
    ...done('b'),
  ],
  'an unknown send that was not stored': [send('a', 0), sent('a', 'info')],
  'an unknown send that was stored': [send('a', 0), sent('a', 'info'), ...done('a')],
  'delivered before its send was confirmed': [send('a', 0), ...done('a'), sent('a')],
  'a failed send': [send('a', 0), sent('a', 'fail')],
  'nobody asks for it': [...s('a', 0, { channel: 'empty' }), { type: 'ok', f: 'unrouted', id: 'a' }],
  'a batch of one lane': [
    ...s('a', 0),
    ...s('b', 1),
    begin('a', { run: '1' }),
    begin('b', { run: '1' }),
    did('effect', 'a'),
    did('effect', 'b'),
    end('a'),
    end('b'),
    did('accept', 'a'),
    did('accept', 'b'),
  ],
  'a failed one is tried again in a batch with its successor': [
    ...s('a', 0),
    ...s('b', 1),
    begin('a', { run: '1' }),
    end('a', 'fail'),
    begin('a', { run: '2' }),
    begin('b', { run: '2' }),
    did('effect', 'a'),
    did('effect', 'b'),
    end('a'),
    end('b'),
    did('accept', 'a'),
    did('accept', 'b'),
  ],
  'a committed transaction': [tx('t', 'invoke'), send('a', 0, { tx: 't' }), tx('t', 'ok'), ...done('a')],
  'a transaction rolled back': [tx('t', 'invoke'), send('a', 0, { tx: 't' }), tx('t', 'fail')],
  'dead letter, then death, then done by another': [...s('a', 0), ...failed('a'), dead('a'), fault('death'), ...done('a').map((l) => ({ ...l, proc: 'c2' }))],
}

const bad: readonly (readonly [string, Invariant, Line[]])[] = [
  [
    'in the batch of a second attempt, the successor begins first',
    'I6',
    [
      ...s('a', 0),
      ...s('b', 1),
      begin('a', { run: '1' }),
      end('a', 'fail'),
      begin('b', { run: '2' }),
      begin('a', { run: '2' }),
      ...['a', 'b'].flatMap((id) => [did('effect', id), end(id), did('accept', id)]),
    ],
  ],
  [
    'begun by another, and nobody was told of a loss',
    'I4',
    [
      ...s('a', 0),
      { ...fault('freeze'), sinceNs: 1, proc: 'judge' },
      { ...fault('lease-expired'), sinceNs: 1, proc: 'judge' },
      begin('a'),
      ...byAnother(done('a')),
      end('a', 'info'),
    ],
  ],
  [
    'begun by another more than a lease after its holder had stood still',
    'I4',
    [
      ...s('a', 0),
      { ...fault('freeze'), sinceNs: 1, proc: 'judge' },
      { ...fault('lease-expired'), sinceNs: 1, proc: 'judge' },
      ...['b', 'e', 'f'].flatMap((id, n) =>
        [...s(id, n + 1, { key: id }), ...inH(done(id)), ...done(id)].map((line) => (line.key === undefined ? line : { ...line, key: id })),
      ),
      begin('a'),
      ...byAnother([begin('a')]),
      fault('lease-expired'),
      end('a', 'info'),
      ...byAnother([did('effect', 'a'), end('a'), did('accept', 'a')]),
    ],
  ],
  [
    'begun by another although its first holder settles it',
    'I4',
    [
      ...s('a', 0),
      { ...fault('freeze'), sinceNs: 1, proc: 'judge' },
      { ...fault('lease-expired'), sinceNs: 1, proc: 'judge' },
      begin('a'),
      ...byAnother([begin('a')]),
      did('effect', 'a'),
      end('a'),
      did('accept', 'a'),
      fault('lease-expired'),
      ...byAnother([end('a', 'info')]),
    ],
  ],
  [
    'a thawed holder begins it twice',
    'I8',
    [...s('a', 0), fault('freeze'), ...byAnother(done('a')), begin('a'), end('a', 'info'), begin('a'), end('a', 'info')],
  ],
  [
    'a thawed holder begins a second message that it had lost',
    'I8',
    [
      ...s('a', 0),
      ...s('b', 1, { key: 'l' }),
      fault('freeze'),
      ...byAnother([...done('a'), ...done('b').map((line) => (line.key === undefined ? line : { ...line, key: 'l' }))]),
      begin('a'),
      begin('b', { key: 'l' }),
      end('a', 'info'),
      end('b', 'info'),
    ],
  ],
  [
    'a thawed holder begins what it had lost after it noticed',
    'I8',
    [...s('a', 0), fault('freeze'), ...byAnother(done('a')), fault('lease-expired'), begin('a'), end('a', 'info')],
  ],
  [
    'a thawed holder begins what it had begun before',
    'I8',
    [...s('a', 0), begin('a'), fault('freeze'), begin('a'), end('a', 'info'), did('effect', 'a'), did('accept', 'a'), end('a'), begin('a'), end('a', 'info')],
  ],
  ['a freeze after the acceptance excuses nothing', 'I8', [...s('a', 0), ...byAnother(done('a')), fault('freeze'), begin('a'), end('a', 'info')]],
  ['the freeze of another excuses nothing', 'I8', [...s('a', 0), fault('freeze', 'x'), ...byAnother(done('a')), begin('a'), end('a', 'info')]],
  ['never delivered', 'I1', [...s('a', 0)]],
  ['delivered, never settled', 'I1', [...s('a', 0), begin('a')]],
  ['handled, acceptance never seen', 'I1', [...s('a', 0), begin('a'), did('effect', 'a'), end('a')]],
  ['failed and forgotten', 'I1', [...s('a', 0), ...failed('a')]],
  ['released and forgotten', 'I1', [...s('a', 0), begin('a'), end('a', 'info'), did('release', 'a')]],
  ['redriven and forgotten', 'I1', [...s('a', 0), ...failed('a'), dead('a'), did('redrive', 'a')]],
  ['parked behind a message that was done', 'I1', [...s('a', 0), ...s('b', 1), ...done('a'), did('park', 'b', { behind: 'a' })]],
  ['parked behind a discarded one', 'I1', [...s('a', 0), ...s('b', 1), ...failed('a'), dead('a'), did('park', 'b', { behind: 'a' }), did('discard', 'a')]],
  [
    'parked behind a redriven one',
    'I1',
    [...s('a', 0), ...s('b', 1), ...failed('a'), dead('a'), did('park', 'b', { behind: 'a' }), did('redrive', 'a'), ...done('a')],
  ],
  ['suspended and forgotten', 'I1', [...s('a', 0), ...failed('a'), did('suspend', 'a')]],
  ['no group, not counted', 'I1', [...s('a', 0, { channel: 'empty' })]],
  ['a committed message lost', 'I1', [tx('t', 'invoke'), send('a', 0, { tx: 't' }), tx('t', 'ok')]],
  ['done and dead-lettered', 'I1', [...s('a', 0), begin('a'), did('effect', 'a'), end('a'), dead('a'), did('accept', 'a')]],
  ['accepted, then dead-lettered', 'I1', [...s('a', 0), ...done('a'), dead('a')]],
  ['dead-lettered and done, somebody else died', 'I1', [...s('a', 0), ...failed('a'), dead('a'), fault('death', 'x'), ...done('a')]],
  ['invented', 'I2', [...s('a', 0), ...done('a'), ...done('b')]],
  ['delivered before it was sent', 'I2', [begin('a'), ...s('a', 0), did('effect', 'a'), end('a'), did('accept', 'a')]],
  ['damaged bytes', 'I2', [...s('a', 0), begin('a', { sha256: 'x' }), did('effect', 'a'), end('a'), did('accept', 'a')]],
  ['another key', 'I2', [...s('a', 0), begin('a', { key: 'other' }), did('effect', 'a'), end('a'), did('accept', 'a')]],
  ['damaged on the second delivery only', 'I2', [...s('a', 0), ...failed('a'), begin('a', { sha256: 'x' }), did('effect', 'a'), end('a'), did('accept', 'a')]],
  [
    'no hash where one was sent',
    'I2',
    [...s('a', 0), { type: 'invoke', f: 'deliver', group: 'g', id: 'a', key: 'k' }, did('effect', 'a'), end('a'), did('accept', 'a')],
  ],
  ['a failed send delivered', 'I3', [send('a', 0), sent('a', 'fail'), ...done('a')]],
  ['a rolled-back message delivered', 'I3', [tx('t', 'invoke'), send('a', 0, { tx: 't' }), tx('t', 'fail'), ...done('a')]],
  ['delivered, then its transaction rolled back', 'I3', [tx('t', 'invoke'), send('a', 0, { tx: 't' }), ...done('a'), tx('t', 'fail')]],
  ['delivered, then its send failed', 'I3', [send('a', 0), ...done('a'), sent('a', 'fail')]],
  ['redelivered without a cause', 'I4', [...s('a', 0), begin('a'), did('effect', 'a'), end('a'), begin('a'), end('a'), did('accept', 'a')]],
  ['redelivered while the handler runs', 'I4', [...s('a', 0), begin('a'), begin('a', { proc: 'c2' }), did('effect', 'a'), end('a'), did('accept', 'a')]],
  [
    'redelivered after the death of another',
    'I4',
    [...s('a', 0), begin('a'), did('effect', 'a'), end('a'), fault('death', 'x'), begin('a'), end('a'), did('accept', 'a')],
  ],
  [
    'one failure, two more deliveries',
    'I4',
    [...s('a', 0), ...failed('a'), begin('a'), end('a'), begin('a'), did('effect', 'a'), end('a'), did('accept', 'a')],
  ],
  [
    'one release, two more deliveries',
    'I4',
    [...s('a', 0), begin('a'), did('release', 'a'), begin('a'), end('a'), begin('a'), did('effect', 'a'), end('a'), did('accept', 'a')],
  ],
  ['a cause after the redelivery', 'I4', [...s('a', 0), begin('a'), end('a'), begin('a'), fault('death'), did('effect', 'a'), end('a'), did('accept', 'a')]],
  [
    'a redrive of another message',
    'I4',
    [
      ...s('a', 0),
      ...s('b', 1, { key: 'l' }),
      begin('b', { key: 'l' }),
      end('b', 'fail'),
      dead('b'),
      did('redrive', 'b'),
      begin('b', { key: 'l' }),
      did('effect', 'b'),
      end('b'),
      did('accept', 'b'),
      begin('a'),
      end('a'),
      begin('a'),
      did('effect', 'a'),
      end('a'),
      did('accept', 'a'),
    ],
  ],
  ['two effects', 'I5', [...s('a', 0), begin('a'), did('effect', 'a'), did('effect', 'a'), end('a'), did('accept', 'a')]],
  [
    'two effects over a death',
    'I5',
    [...s('a', 0), begin('a'), did('effect', 'a'), fault('death'), begin('a'), did('effect', 'a'), end('a'), did('accept', 'a')],
  ],
  [
    'an effect for each attempt',
    'I5',
    [...s('a', 0), begin('a'), did('effect', 'a'), end('a', 'fail'), begin('a'), did('effect', 'a'), end('a'), did('accept', 'a')],
  ],
  ['done without effect', 'I5', [...s('a', 0), begin('a'), end('a'), did('accept', 'a')]],
  ['overtaken', 'I6', [...s('a', 0), ...s('b', 1), ...done('b'), ...done('a')]],
  [
    'overtaken in flight',
    'I6',
    [...s('a', 0), ...s('b', 1), begin('a'), begin('b'), did('effect', 'a'), end('a'), did('accept', 'a'), did('effect', 'b'), end('b'), did('accept', 'b')],
  ],
  ['overtaken during a retry', 'I6', [...s('a', 0), ...s('b', 1), ...failed('a'), ...done('b'), ...done('a')]],
  ['overtaken while suspended', 'I6', [...s('a', 0), ...s('b', 1), ...failed('a'), did('suspend', 'a'), ...done('b'), ...done('a')]],
  ['overtaken after a release', 'I6', [...s('a', 0), ...s('b', 1), begin('a'), end('a', 'info'), did('release', 'a'), ...done('b'), ...done('a')]],
  ['overtaken after a death', 'I6', [...s('a', 0), ...s('b', 1), begin('a'), fault('death'), ...done('b'), ...done('a')]],
  ['the third before the second', 'I6', [...s('a', 0), ...s('b', 1), ...s('d', 2), ...done('a'), ...done('d'), ...done('b')]],
  ['a resend that came late', 'I6', [send('a', 0), ...s('b', 1), ...done('b'), sent('a'), ...done('a')]],
  ['an unknown one that came late', 'I6', [send('a', 0), sent('a', 'info'), ...s('b', 1), ...done('b'), ...done('a')]],
  [
    'a batch in the wrong order',
    'I6',
    [
      ...s('a', 0),
      ...s('b', 1),
      begin('b', { run: '1' }),
      begin('a', { run: '1' }),
      did('effect', 'a'),
      did('effect', 'b'),
      end('a'),
      end('b'),
      did('accept', 'a'),
      did('accept', 'b'),
    ],
  ],
  [
    'two runs are not one batch',
    'I6',
    [
      ...s('a', 0),
      ...s('b', 1),
      begin('a', { run: '1' }),
      begin('b', { run: '2' }),
      did('effect', 'a'),
      did('effect', 'b'),
      end('a'),
      end('b'),
      did('accept', 'a'),
      did('accept', 'b'),
    ],
  ],
  ['parked, and delivered all the same', 'I6', [...s('a', 0), ...s('b', 1), ...failed('a'), dead('a'), did('park', 'b', { behind: 'a' }), ...done('b')]],
  [
    'parked, and delivered before the redriven one ended',
    'I6',
    [...s('a', 0), ...s('b', 1), ...failed('a'), dead('a'), did('park', 'b', { behind: 'a' }), did('redrive', 'a'), ...done('b'), ...done('a')],
  ],
  [
    'a stale acceptance',
    'I7',
    [
      ...s('a', 0),
      { type: 'ok', f: 'lease', group: 'g', partition: '0', epoch: 1 },
      begin('a'),
      did('effect', 'a'),
      end('a'),
      { type: 'ok', f: 'lease', group: 'g', partition: '0', epoch: 2, proc: 'c2' },
      did('accept', 'a', { partition: '0', epoch: 1 }),
    ],
  ],
  [
    'a stale effect',
    'I7',
    [
      ...s('a', 0),
      begin('a'),
      { type: 'ok', f: 'lease', group: 'g', partition: '0', epoch: 2, proc: 'c2' },
      did('effect', 'a', { partition: '0', epoch: 1 }),
      end('a'),
      did('accept', 'a'),
    ],
  ],
  [
    'a stale dead letter',
    'I7',
    [...s('a', 0), ...failed('a'), { type: 'ok', f: 'lease', group: 'g', partition: '0', epoch: 5, proc: 'c2' }, dead('a', { partition: '0', epoch: 4 })],
  ],
  ['delivered after its acceptance', 'I8', [...s('a', 0), ...done('a'), begin('a'), end('a')]],
  ['delivered after its acceptance and a restart', 'I8', [...s('a', 0), ...done('a'), fault('restart'), begin('a'), end('a')]],
  [
    'delivered to another member after its acceptance',
    'I8',
    [...s('a', 0), ...done('a'), fault('death'), begin('a', { proc: 'c2' }), end('a', 'ok', { proc: 'c2' })],
  ],
  [
    'a replay that was over before the acceptance',
    'I8',
    [...s('a', 0), { type: 'invoke', f: 'replay', group: 'g' }, { type: 'ok', f: 'replay', group: 'g' }, ...done('a'), begin('a'), end('a')],
  ],
  [
    'a replay that was over before the acceptance was called',
    'I8',
    [
      ...s('a', 0),
      { type: 'invoke', f: 'replay', group: 'g' },
      { type: 'ok', f: 'replay', group: 'g' },
      begin('a'),
      end('a'),
      did('accept', 'a', { type: 'info' }),
      did('accept', 'a'),
      begin('a'),
      end('a'),
    ],
  ],
  [
    'a replay that was refused',
    'I8',
    [...s('a', 0), { type: 'invoke', f: 'replay', group: 'g' }, ...done('a'), { type: 'fail', f: 'replay', group: 'g' }, begin('a'), end('a')],
  ],
  ['a replay of another group', 'I8', [...s('a', 0), ...done('a'), { type: 'ok', f: 'replay', group: 'h', id: 'a' }, begin('a'), end('a')]],
  [
    'attempts of a process that died before the redrive, though another went on with its lane',
    'I9',
    [
      ...s('a', 0),
      ...failed('a'),
      dead('a'),
      ...s('b', 1),
      begin('b'),
      fault('death'),
      ...byAnother(done('b')),
      did('redrive', 'a'),
      dead('a', { attempt: 1, attemptsMax: 1, proc: 'c3' }),
    ],
  ],
  ['one attempt too many', 'I9', [...s('a', 0), ...failed('a'), ...failed('a'), dead('a', { attempt: 2, attemptsMax: 1 })]],
  ['given up too early', 'I9', [...s('a', 0), ...failed('a'), dead('a', { attempt: 1, attemptsMax: 3 })]],
  ['attempts that never were', 'I9', [...s('a', 0), ...failed('a'), dead('a', { attempt: 3, attemptsMax: 3 })]],
  ['attempts not counted', 'I9', [...s('a', 0), ...failed('a'), ...failed('a'), ...failed('a'), dead('a', { attempt: 1, attemptsMax: 1 })]],
  ['a dead letter with other bytes', 'I9', [...s('a', 0), ...failed('a'), dead('a', { sha256: 'x' })]],
  ['a dead letter of nothing', 'I9', [dead('z')]],
  [
    'a dead letter that was made after all, and done by another',
    'I1',
    [...s('a', 0), ...failed('a'), dead('a', { type: 'info' }), ...byAnother(done('a')), { type: 'ok', f: 'fault', fault: 'death', victim: 'c3' }],
  ],
  [
    'a dead letter that was redriven after a replay had brought it back',
    'I8',
    [
      ...s('a', 0),
      ...failed('a'),
      dead('a'),
      { type: 'invoke', f: 'replay', group: 'g' },
      { type: 'ok', f: 'replay', group: 'g' },
      did('redrive', 'a'),
      ...done('a'),
      begin('a'),
      end('a'),
      did('accept', 'a'),
    ],
  ],
  ['dead-lettered twice', 'I9', [...s('a', 0), ...failed('a'), dead('a'), dead('a')]],
  [
    'commits overtaken',
    'I10',
    [tx('t', 'invoke'), send('a', 0, { tx: 't' }), tx('t', 'ok'), tx('u', 'invoke'), send('b', 1, { tx: 'u' }), tx('u', 'ok'), ...done('b'), ...done('a')],
  ],
  [
    'one transaction, out of order',
    'I10',
    [tx('t', 'invoke'), send('a', 0, { tx: 't' }), send('b', 1, { tx: 't' }), tx('t', 'ok'), ...done('b'), ...done('a')],
  ],
  ['before its time', 'I11', [...s('a', 0, { dueMs: 100 }), begin('a', { wallMs: 99 }), did('effect', 'a'), end('a'), did('accept', 'a')]],
  [
    'a retry of a delayed one before its time',
    'I11',
    [
      ...s('a', 0, { dueMs: 100 }),
      begin('a', { wallMs: 101 }),
      end('a', 'fail'),
      begin('a', { wallMs: 50, attempt: 2 }),
      did('effect', 'a'),
      end('a'),
      did('accept', 'a'),
    ],
  ],
  ['begun behind a dead letter that holds the lane', 'I6', [...s('a', 0), ...s('b', 1), ...failed('a'), dead('a', { key: 'k' }), ...done('b')]],
  [
    'begun behind a second dead letter',
    'I6',
    [
      ...s('a', 0),
      ...s('b', 1),
      ...failed('a'),
      dead('a', { key: 'k' }),
      did('redrive', 'a', { key: 'k' }),
      ...failed('a'),
      dead('a', { key: 'k' }),
      ...done('b'),
    ],
  ],
  ['both of two under a deduplication key', 'I2', [...s('a', 0, { deduplicate: 'x' }), ...s('b', 1, { deduplicate: 'x' }), ...done('a'), ...done('b')]],
  [
    'told that it is stored as another message',
    'I1',
    [...s('z', 0), ...s('a', 1, { deduplicate: 'x' }), send('b', 2, { deduplicate: 'x' }), { ...sent('b', 'fail'), storedAs: 'z' }, ...done('z'), ...done('a')],
  ],
  [
    'delivered, though the other of its deduplication key was stored',
    'I2',
    [...s('a', 0, { deduplicate: 'x' }), send('b', 1, { deduplicate: 'x' }), { ...sent('b', 'fail'), storedAs: 'a' }, ...done('a'), ...done('b')],
  ],
  [
    'handled by one who lives, given up by the next',
    'I1',
    [...s('a', 0), ...byAnother([begin('a'), did('effect', 'a'), end('a'), did('accept', 'a', { type: 'info' })]), fault('death', 'c3'), dead('a')],
  ],
  ['sent twice under one id', 'form', [...s('a', 0), ...s('a', 1), ...done('a')]],
  ['an outcome without a beginning', 'form', [sent('a')]],
  ['a handler that ended and never began', 'form', [...s('a', 0), end('a'), ...done('a')]],
]

for (const [name, lines] of Object.entries(good)) {
  test(`good history: ${name}`, () => assert.deepEqual(checkHistory(number(lines), scope), []))
}

for (const [name, invariant, lines] of bad) {
  test(`bad history, ${invariant}: ${name}`, () => {
    const found = checkHistory(number(lines), scope)
    assert.ok(
      found.some((v) => v.invariant === invariant),
      `expected ${invariant}, found ${JSON.stringify(found)}`,
    )
  })
}

test('a history with a line missing is malformed', () => {
  const lines = number([...s('a', 0), ...done('a')])
  lines.splice(2, 1)
  assert.ok(checkHistory(lines, scope).some((v) => v.invariant === 'form'))
})

test('there are at least 60 bad histories, and each invariant has at least two', () => {
  assert.ok(bad.length >= 60, String(bad.length))
  const counts = new Map<string, number>()
  for (const [, invariant] of bad) counts.set(invariant, (counts.get(invariant) ?? 0) + 1)
  for (let n = 1; n <= 11; n++) assert.ok((counts.get(`I${n}`) ?? 0) >= 2, `I${n}`)
})

// ---------------------------------------------------------------- mutations of good histories

const renumber = (events: readonly HistoryEvent[]): HistoryEvent[] => events.map((e, i) => ({ ...e, i }))
const only = <T>(random: Random, all: readonly T[]): T | undefined => all[Math.floor(random() * all.length)]

/** Each damages a good history in one way; undefined where it offers no place for it. */
const mutations: Record<string, (events: readonly HistoryEvent[], random: Random) => HistoryEvent[] | undefined> = {
  drop(events, random) {
    const victim = only(
      random,
      events.filter((e) => e.f === 'send' && e.type === 'ok' && events.some((o) => o.id === e.id && o.f === 'accept')),
    )
    return victim && events.filter((e) => e.id !== victim.id || e.f === 'send')
  },
  duplicate(events, random) {
    const victim = only(
      random,
      events.filter((e) => e.f === 'accept' && e.type === 'ok'),
    )
    if (victim === undefined) return undefined
    const run = events.find((e) => e.f === 'deliver' && e.type === 'invoke' && e.id === victim.id && e.group === victim.group) as HistoryEvent
    return [...events, run, { ...run, type: 'ok' }]
  },
  swap(events, random) {
    const firsts = new Map<string, HistoryEvent>()
    for (const e of events)
      if (e.f === 'deliver' && e.type === 'invoke' && e.key !== undefined && !firsts.has(`${e.group} ${e.id}`)) firsts.set(`${e.group} ${e.id}`, e)
    const sends = new Map(events.filter((e) => e.f === 'send' && e.type === 'invoke').map((e) => [e.id, e]))
    const pairs: [HistoryEvent, HistoryEvent][] = []
    for (const a of firsts.values())
      for (const b of firsts.values()) {
        const [x, y] = [sends.get(a.id), sends.get(b.id)]
        if (a.group === b.group && a.key === b.key && x?.producer === y?.producer && (x?.seq ?? 0) < (y?.seq ?? 0)) pairs.push([a, b])
      }
    const pair = only(random, pairs)
    if (pair === undefined) return undefined
    const rename = (e: HistoryEvent): HistoryEvent => {
      if (e.group !== pair[0].group || (e.id !== pair[0].id && e.id !== pair[1].id)) return e
      const other = e.id === pair[0].id ? pair[1] : pair[0]
      return { ...e, id: other.id as string, ...(e.sha256 === undefined ? {} : { sha256: other.sha256 as string }) }
    }
    return events.map(rename)
  },
  forge: (events) => [...events, { i: 0, monoNs: 0, proc: 'x', type: 'invoke', f: 'deliver', group: 'mail', id: 'forged', sha256: 'f' }],
  early(events, random) {
    const victim = only(
      random,
      events.filter((e) => e.f === 'send' && e.type === 'invoke' && events.some((o) => o.id === e.id && o.f === 'deliver')),
    )
    return victim && events.map((e) => (e === victim ? { ...e, dueMs: 9_000_000 } : e))
  },
  damage(events, random) {
    const victim = only(
      random,
      events.filter((e) => e.f === 'deliver' && e.type === 'invoke'),
    )
    return victim && events.map((e) => (e === victim ? { ...e, sha256: 'damaged' } : e))
  },
  'double effect'(events, random) {
    const victim = only(
      random,
      events.filter((e) => e.f === 'effect'),
    )
    return victim && events.flatMap((e) => (e === victim ? [e, e] : [e]))
  },
  'deny the send'(events, random) {
    const victim = only(
      random,
      events.filter((e) => e.f === 'send' && e.type === 'ok' && events.some((o) => o.id === e.id && o.f === 'deliver')),
    )
    return victim && events.map((e) => (e === victim ? { ...e, type: 'fail' } : e))
  },
  'miscount attempts'(events, random) {
    const victim = only(
      random,
      events.filter((e) => e.f === 'deadletter'),
    )
    return victim && events.map((e) => (e === victim ? { ...e, attempt: (e.attempt ?? 0) + 1 } : e))
  },
}

test('3,000 good histories raise no alarm', () => {
  for (let seed = 0; seed < 3000; seed++) {
    const events = goodHistory(seededRandom(seed), 4 + (seed % 30))
    assert.deepEqual(checkHistory(events, goodScope), [], `seed ${seed}`)
  }
})

for (const [name, mutate] of Object.entries(mutations)) {
  test(`good histories with one mutation are all flagged: ${name}`, () => {
    let mutated = 0
    for (let seed = 0; seed < 1200; seed++) {
      const random = seededRandom(seed)
      const events = mutate(goodHistory(random, 10 + (seed % 30)), random)
      if (events === undefined) continue
      mutated++
      assert.notDeepEqual(checkHistory(renumber(events), goodScope), [], `seed ${seed}`)
    }
    assert.ok(mutated > 300, `only ${mutated} histories could be mutated`)
  })
}

for (const [name, invariant] of [
  ['drop', 'I1'],
  ['forge', 'I2'],
  ['damage', 'I2'],
  ['deny the send', 'I3'],
  ['swap', 'I6'],
] as const) {
  test(`a fault of the server and a report of every member between any two lines explain what comes again, and do not hide: ${name}`, () => {
    let mutated = 0
    for (let seed = 0; seed < 60; seed++) {
      const random = seededRandom(seed)
      const events = mutations[name]?.(goodHistory(random, 10 + (seed % 30)), random)
      if (events === undefined) continue
      mutated++
      const procs = [...new Set(events.map(({ proc }) => proc))]
      const noise = (at: HistoryEvent): HistoryEvent[] => [
        at,
        { i: 0, monoNs: at.monoNs, proc: 'judge', type: 'ok', f: 'fault', fault: 'restart' },
        ...procs.map((proc): HistoryEvent => ({ i: 0, monoNs: at.monoNs, proc, type: 'ok', f: 'fault', fault: 'hand-over', victim: proc })),
      ]
      const found = checkHistory(renumber(events.flatMap(noise)), goodScope)
      assert.ok(
        found.some((violation) => violation.invariant === invariant),
        `seed ${seed}: ${JSON.stringify(found)}`,
      )
    }
    assert.ok(mutated > 15, `only ${mutated} histories could be mutated`)
  })
}
