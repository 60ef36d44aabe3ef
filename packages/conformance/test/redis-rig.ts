import assert from 'node:assert/strict'
import { Rig } from '@sluice/conformance'
import { transport } from '@sluice/redis'

/** A bus on a Redis of a test's own, with a lease that is short enough to wait for. */
export async function openRig(url: string, options: object = {}): Promise<Rig> {
  const rig = new Rig({ factory: transport, url, options: { redis: { leaseMs: 1_000, ...options } } })
  await rig.open()
  return rig
}

/** Asks until it is so: what is to heal does so within 30 s. */
export async function eventually(ask: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const until = performance.now() + 30_000
  while (!(await ask())) {
    assert.ok(performance.now() < until, `waited for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
