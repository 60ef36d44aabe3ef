import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isFree } from './exchange.ts'
import { Fleet, type Status } from './fleet.ts'
import { startedAt } from './process.ts'
import { CannotInstall, type Server } from './server.ts'

/** A fleet of the test's own, gone after it. */
export function trialFleet(tried: readonly Server[]): { readonly fleet: Fleet; readonly root: string } {
  const root = mkdtempSync(join(tmpdir(), 'sluice-fleet-'))
  // PostgreSQL's own user must get there.
  chmodSync(root, 0o711)
  const fleet = new Fleet(root)
  after(async () => {
    for (const server of tried) await fleet.down(server)
    rmSync(root, { recursive: true, force: true })
  })
  return { fleet, root }
}

/** Why the server cannot be tried here. Only CI installs by itself: a test run that changes the machine would be a surprise. */
export async function missing(server: Server): Promise<string | undefined> {
  if (server.installed()) return undefined
  if (process.env.SLUICE_REQUIRE !== 'all') return `needs ${server.name}: npm run brokers -- up ${server.name} installs it`
  try {
    await server.install()
    return undefined
  } catch (error) {
    if (error instanceof CannotInstall) return error.message
    throw error
  }
}

const pidOf = (status: Status | undefined): number => status?.nodes[0]?.pid ?? assert.fail('it does not run')
/** The first port of a server that is up. */
export const portOf = ({ url }: Status): number => Number(/:(\d+)(?:\/|$)/.exec(url)?.[1])

/** A server's life: up, kill -9, up, restart, down. */
export function testLife(server: Server, { fleet, root }: ReturnType<typeof trialFleet>): void {
  test(`${server.name}: answers after up, after kill -9 and up, after restart; down leaves nothing`, async (t) => {
    const reason = await missing(server)
    if (reason !== undefined) return t.skip(reason)
    const first = await fleet.up(server)
    assert.deepEqual(
      first.nodes.map(({ answers }) => answers),
      first.nodes.map(() => true),
    )
    assert.equal(pidOf(await fleet.up(server)), pidOf(first), 'up of a running server starts nothing')

    await fleet.kill(server)
    assert.equal(startedAt(pidOf(first)), undefined)
    assert.deepEqual(
      (await fleet.status(server))?.nodes,
      first.nodes.map(() => ({ pid: undefined, answers: false })),
    )

    const second = await fleet.up(server)
    assert.equal(second.url, first.url)
    assert.notEqual(pidOf(second), pidOf(first))

    const third = await fleet.restart(server)
    assert.notEqual(pidOf(third), pidOf(second))
    assert.ok(third.nodes.every(({ answers }) => answers))

    await fleet.down(server)
    assert.equal(startedAt(pidOf(third)), undefined)
    assert.equal(await isFree(portOf(third)), true)
    assert.equal(await fleet.status(server), undefined)
    assert.deepEqual(
      readdirSync(root).filter((name) => name.startsWith(server.name)),
      [],
    )
  })
}
