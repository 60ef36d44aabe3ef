import { type DeadLetter, type DeadLetterQuery, isQueried } from '@sluice/core/transport'
import { groupKey } from '../keys.ts'
import type { DeadMeta } from '../lot/outcomes.ts'
import type { RedisBus } from '../redis-bus.ts'
import { Commands } from '../resp/command.ts'
import { unpack } from '../wire/pack.ts'
import { ask } from './groups.ts'

const pageSize = 200

interface Found {
  readonly id: string
  readonly meta: DeadMeta
}

/** Dead letters of a group that a query asks for, oldest first, without their messages. */
export async function findDead(bus: RedisBus, channel: string, group: string, query: DeadLetterQuery): Promise<Found[]> {
  const base = groupKey(bus.key(channel), group)
  const found: Found[] = []
  const limit = query.limit ?? Infinity
  let after = query.after === undefined ? '-' : `(${query.after}`
  while (found.length < limit) {
    const ids = (await bus.link.command('ZRANGEBYLEX', `${base}:dead`, after, '+', 'LIMIT', 0, pageSize)) as readonly string[]
    if (ids.length === 0) break
    const metas = (await bus.link.command('HMGET', `${base}:dead:meta`, ...ids)) as readonly (string | null)[]
    ids.forEach((id, i) => {
      const json = metas[i]
      if (typeof json !== 'string' || found.length >= limit) return
      const meta = JSON.parse(json) as DeadMeta
      if (
        isQueried(
          { deadLetterId: id, envelope: { type: meta.type, ...(meta.key === undefined ? {} : { partitionkey: meta.key }) }, reason: meta.reason },
          query,
        )
      )
        found.push({ id, meta })
    })
    if (ids.length < pageSize) break
    after = `(${ids.at(-1)}`
  }
  return found
}

export async function listDead(bus: RedisBus, channel: string, group: string, query: DeadLetterQuery): Promise<DeadLetter[]> {
  const base = groupKey(bus.key(channel), group)
  const found = await findDead(bus, channel, group, query)
  const letters: DeadLetter[] = []
  for (let at = 0; at < found.length; at += pageSize) {
    const page = found.slice(at, at + pageSize)
    const commands = new Commands()
    for (const { id, meta } of page) {
      commands.add('HGET', `${base}:dead:body`, id).add('HGET', `${base}:lanes`, meta.lane).add('ZCARD', `${base}:lane:${meta.lane}`)
    }
    const replies = await ask(bus, commands)
    page.forEach(({ id, meta }, i) => {
      const [body, lane, behind] = replies.slice(i * 3, i * 3 + 3)
      if (!(body instanceof Uint8Array)) return
      const parkedBy = typeof lane === 'string' ? (JSON.parse(lane) as { readonly b?: string }).b : undefined
      letters.push({
        deadLetterId: id,
        envelope: unpack(body).envelope,
        reason: meta.reason,
        parkedBehind: parkedBy === id ? Number(behind) : 0,
        redrives: meta.redrives,
      })
    })
  }
  return letters
}
