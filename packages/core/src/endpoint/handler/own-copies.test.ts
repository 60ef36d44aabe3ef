import assert from 'node:assert/strict'
import { test } from 'node:test'
import { event, typed } from '../../contract/index.ts'
import { createTestKit } from '../../testing/index.ts'

const Scanned = event('shop.label.scanned', typed<Uint8Array>())
const everything = { data: [1, 2, 3], headers: { tenant: 'T1' }, tags: ['cold'] }

test('what a handler does to its data, headers and tags reaches no other group, no next attempt and no dead letter', async () => {
  await using kit = await createTestKit({ service: 'label', retry: { attempts: 2 } })
  const seen: unknown[] = []
  kit.bus.on(Scanned, (data, { message }) => {
    seen.push({ data: [...data], headers: { ...message.headers }, tags: [...(message.tags ?? [])] })
    data.fill(0)
    // As JavaScript may, whatever the types say.
    Object.assign(message.headers, { tenant: 'T2' })
    Object.assign(message.tags ?? [], ['hot'])
    throw new Error('no')
  })
  kit.bus.on(
    Scanned,
    (data, { message }) => {
      seen.push({ data: [...data], headers: message.headers, tags: message.tags })
    },
    { group: 'archive' },
  )
  await kit.bus.start()
  const buffer = Uint8Array.from(everything.data)
  const published = kit.bus.publish(Scanned, buffer, { headers: everything.headers, tags: everything.tags })
  buffer.fill(9)
  await published
  await kit.drained()
  const [letter] = await kit.bus.deadLetters(Scanned).list()
  assert.ok(letter)
  seen.push({ data: [...(letter.data as Uint8Array)], headers: letter.message.headers, tags: letter.message.tags })
  assert.deepEqual(seen, [everything, everything, everything, everything])
})
