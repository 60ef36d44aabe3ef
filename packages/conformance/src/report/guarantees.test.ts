import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryTransport, memoryTransport, systemClock, type TransportFacts } from '@sluice/core/transport'
import { guaranteesPage } from './guarantees.ts'

const subjects = [
  { name: 'sending', cases: [{ name: 'one', run: async () => {} }] },
  { name: 'lot', cases: [{ name: 'two', run: async () => {} }] },
]

test('the page shows what passed, what cannot, and why something was left out; the last run of a case counts', async () => {
  const transport = await memoryTransport.open('memory:', { clock: systemClock, service: 's', instanceId: 'i', report() {}, options: {} })
  assert.ok(transport instanceof MemoryTransport)
  const facts: TransportFacts = transport.facts
  const page = guaranteesPage(
    [
      { transport: 'a', subject: 'sending', name: 'one', outcome: 'fail', facts },
      { transport: 'a', subject: 'sending', name: 'one', outcome: 'pass', facts },
      { transport: 'b', subject: 'sending', name: 'one', outcome: 'cannot', reason: 'it has none', facts },
      { transport: 'b', subject: 'lot', name: 'two', outcome: 'skipped', reason: 'left out', facts },
    ],
    subjects,
  )
  assert.ok(page.includes('| one | ✓ | cannot [1](#reasons) |'))
  assert.ok(page.includes('| two | not run | – [2](#reasons) |'))
  assert.ok(page.includes('2. b: left out.'))
  assert.ok(page.includes('| `confirm` | process | process |'))
  await transport.close()
})
