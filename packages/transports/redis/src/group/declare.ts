import { type ChannelDeclaration, type GroupDeclaration, type Retention, SluiceError, type Topology } from '@sluice/core/transport'
import { registryKeys } from '../keys.ts'
import type { RedisBus } from '../redis-bus.ts'
import type { Reply } from '../resp/reply.ts'
import { positionAt } from '../wire/position.ts'

/** Entries counted in one call at most, where a group starts at a time. */
const countMax = 20_000

/** Creates what is missing. Ephemeral groups are left to `consume`: they must not outlive a member that never came. */
export async function declareTopology(bus: RedisBus, topology: Topology): Promise<void> {
  for (const channel of topology.channels) await declareChannel(bus, channel)
  for (const group of topology.groups) if (!group.ephemeral) await declareGroup(bus, group)
}

export async function declareChannel(bus: RedisBus, channel: ChannelDeclaration): Promise<void> {
  // The registry first: a name without a channel does no harm, a channel that nobody lists is hidden.
  await bus.link.command('SADD', registryKeys(bus.options.prefix).channels, channel.name)
  const retention = channel.retention === undefined ? '' : JSON.stringify(retentionFields(channel.retention))
  const kind = await bus.link.run('channel', bus.key(channel.name), channel.kind, channel.partitions ?? '', bus.options.partitions, retention)
  if (kind === channel.kind) return
  throw new SluiceError('CONTRACT_CONFLICT', `channel ${channel.name} carries ${String(kind)}, not ${channel.kind}`, {
    fix: 'Give the contract another channel name',
  })
}

function retentionFields({ maxAgeMs = -1, maxBytes = -1, keepForGroups = true }: Retention): Readonly<Record<string, number>> {
  return { age: maxAgeMs, bytes: maxBytes, keep: keepForGroups ? 1 : 0 }
}

export async function declareGroup(bus: RedisBus, group: GroupDeclaration): Promise<void> {
  const key = bus.key(group.channel)
  const from = typeof group.from === 'number' ? positionAt(group.from) : group.from
  // Only a group that starts at a time needs its messages counted, and only when it is new.
  const counted = typeof group.from === 'number' ? await countFrom(bus, key, from) : { counted: 0, to: '' }
  const declaration = {
    g: group.group,
    order: group.order,
    conc: group.groupConcurrency ?? 0,
    eph: group.ephemeral ? 1 : 0,
    prov: group.provisional === true ? 1 : 0,
    from,
    ...counted,
  }
  const [state, order, concurrency] = (await bus.link.run('group', key, JSON.stringify(declaration))) as readonly string[]
  if (state === 'ok') return
  if (state === 'none') throw new SluiceError('INVALID_OPTION', `group ${group.group} names the channel ${group.channel}, which nobody declared`)
  const settings = (by: string | undefined, bound: number): string => `order '${by}'${bound === 0 ? '' : ` and concurrency ${bound} over the group`}`
  throw new SluiceError(
    'CONTRACT_CONFLICT',
    `group ${group.group} of ${group.channel} has ${settings(order, Number(concurrency))}, not ${settings(group.order, declaration.conc)}`,
    { fix: 'Use the same settings in all members; to change them, stop all members once the backlog is handled' },
  )
}

async function countFrom(bus: RedisBus, key: string, from: string): Promise<{ readonly counted: number; readonly to: string }> {
  let counted = 0
  let at = from
  for (;;) {
    const [some, next] = (await bus.link.run('count', key, at, '9999999999999-0000000000', countMax)) as readonly [number, Reply]
    // The script counts the rest itself, from where a whole batch ended.
    if (next === '') return { counted, to: at }
    counted += some
    at = String(next)
  }
}
