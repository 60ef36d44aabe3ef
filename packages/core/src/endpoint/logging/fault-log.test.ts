import assert from 'node:assert/strict'
import { test } from 'node:test'
import { command, event, typed } from '../../contract/index.ts'
import { Reject } from '../../policy/index.ts'
import { createTestKit } from '../../testing/index.ts'
import type { Logger } from './logger.ts'

const Placed = event('shop.placed', typed<{ id: string }>())

interface Line {
  readonly level: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

function collector(): { readonly lines: Line[]; readonly logger: Logger } {
  const lines: Line[] = []
  const at =
    (level: string) =>
    (message: unknown, fields: unknown): void => {
      lines.push({ level, message: String(message), fields: (fields ?? {}) as Line['fields'] })
    }
  return { lines, logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } }
}

test('a dead letter is a warning that says which and how to list it, without data', async () => {
  const { lines, logger } = collector()
  await using kit = await createTestKit({ service: 'mail', logger })
  kit.bus.on(Placed, () => {
    throw new Reject('no such customer: secret-payload')
  })
  await kit.bus.start()
  const { id } = await kit.bus.publish(Placed, { id: 'secret-payload' })
  await kit.drained()
  const warnings = lines.filter((line) => line.level === 'warn')
  assert.equal(warnings.length, 1, JSON.stringify(lines))
  const { message, fields } = warnings[0] as Line
  assert.equal(message, 'dead letter')
  const [letter] = await kit.bus.deadLetters(Placed).list()
  assert.deepEqual(fields, {
    ...{ id, attempts: 1, type: 'shop.placed', group: 'mail', channel: Placed.channel },
    ...{ code: letter?.reason.code, fingerprint: letter?.reason.fingerprint },
    list: "bus.deadLetters(<contract shop.placed>, { group: 'mail' }).list()",
  })
  assert.ok(!JSON.stringify(lines).includes('secret-payload'))
})

test('the same fault again is counted, a line a minute and one at stop', async () => {
  const { lines, logger } = collector()
  await using kit = await createTestKit({ service: 'mail', logger })
  kit.bus.on(
    Placed,
    () => {
      throw new Reject('never')
    },
    { killSwitch: false },
  )
  await kit.bus.start()
  const warnings = (): string[] => lines.filter((line) => line.level === 'warn').map((line) => line.message)
  const publish = (count: number): Promise<unknown> =>
    kit.bus.publishMany(
      Placed,
      Array.from({ length: count }, (_, index) => ({ data: { id: String(index) } })),
    )
  await publish(1_000)
  await kit.drained({ moveClock: false })
  assert.deepEqual(warnings(), ['dead letter'])
  await kit.advance(60_000)
  assert.deepEqual(warnings(), ['dead letter', 'dead letter: 999 more of the same'])
  await publish(5)
  await kit.drained({ moveClock: false })
  await kit.stop()
  assert.deepEqual(warnings(), ['dead letter', 'dead letter: 999 more of the same', 'dead letter: 5 more of the same'])
})

test('another attempt is a debug line, a held newer version a warning', async () => {
  const { lines, logger } = collector()
  await using kit = await createTestKit({ service: 'mail', logger })
  const Ship = command('shop.ship', typed<{ id: string }>())
  const ShipV2 = command('shop.ship', typed<{ id: string }>(), { version: 2, upcast: { 1: (data) => data as { id: string } } })
  let calls = 0
  kit.bus.handle(Ship, () => {
    calls++
    if (calls === 1) throw new Error('once')
  })
  const newer = await kit.connect({ service: 'shop' })
  await kit.bus.start()
  await newer.start()
  const { id } = await kit.bus.send(Ship, { id: '1' })
  await kit.drained()
  assert.equal(calls, 2)
  assert.deepEqual(
    lines.filter((line) => line.level === 'debug').map(({ message, fields }) => [message, fields['id'], fields['attempt']]),
    [['handled again after a failed attempt', id, 2]],
  )
  const held = await newer.send(ShipV2, { id: '2' })
  await kit.advance(10)
  const warnings = lines.filter((line) => line.level === 'warn')
  assert.deepEqual(
    warnings.map(({ message, fields }) => [message, fields['id'], fields['version']]),
    [['a message of a newer version is held, and its lane with it', held.id, 2]],
  )
})
