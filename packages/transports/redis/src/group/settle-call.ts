import { toSluice } from '../errors.ts'
import type { Word } from '../resp/command.ts'
import type { Member } from './member.ts'

const retryDelayMs = 200
/** As good as for ever, ms. */
const unboundedWaitMs = 2_147_483_647

/** What the script `settle` said. */
export interface SettleAnswer {
  /** `fenced`: a partition that was needed is not ours, and nothing was done. `back`: the server went back to an earlier state. */
  readonly kind: string
  /** Partitions that are not ours any more. */
  readonly fenced: readonly string[]
  /** Lanes of the lot that went with their last message. */
  readonly gone: readonly string[]
}

/** Sends one write until there is an answer; undefined: the member closes, and there is no server. */
export async function settleCall(member: Member, words: readonly Word[], isClosed: () => boolean): Promise<SettleAnswer | undefined> {
  for (let tries = 0; ; tries++) {
    try {
      const [kind, fenced, gone] = (await member.bus.link.run('settle', member.key, ...words)) as readonly [string, string, readonly string[]]
      return { kind, fenced: fenced === '' ? [] : fenced.split(','), gone }
    } catch (error) {
      if (isClosed() || (member.closing && tries >= 3)) return undefined
      if (tries % 50 === 5) member.bus.report('warn', `${member.title}: settlements cannot be written, and wait`, toSluice(error, 'settling'))
      await new Promise<void>((resolve) => void member.bus.clock.setTimer(retryDelayMs, resolve))
      if (isClosed()) return undefined
      if (!member.closing) await member.bus.link.ready(unboundedWaitMs).catch(() => undefined)
    }
  }
}
