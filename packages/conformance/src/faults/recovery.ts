import assert from 'node:assert/strict'

/** Everybody must go on by then after a fault, ms: who is connected and does nothing for longer counts as not healed. */
const recoveryMsDefault = 30_000

/**
 * How long it takes from now on until the count of each of `names` has grown, ms; when `busy` says that nothing more is to come, no
 * longer. Rejects, with the names of those that stand still, after `msMax`.
 */
export async function recovery(
  progress: () => ReadonlyMap<string, number>,
  names: readonly string[],
  busy: () => boolean,
  msMax: number = recoveryMsDefault,
): Promise<number> {
  const before = progress()
  const startedAt = performance.now()
  for (;;) {
    const now = progress()
    const still = names.filter((name) => (now.get(name) ?? 0) === (before.get(name) ?? 0))
    const tookMs = performance.now() - startedAt
    if (still.length === 0 || !busy()) return tookMs
    assert.ok(tookMs < msMax, `connected, perhaps, but nothing goes on for ${msMax} ms after the fault: ${still.join(', ')}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
