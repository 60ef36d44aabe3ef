/**
 * Takes the messages of a group from its old queues to its new ones, so that each is routed to one of them: what is in both
 * comes twice. No single request moves a binding. So what comes takes a way beside the direct one first, over two
 * exchanges, the *passage* and the one *beyond* it: the passage leads to the old queues, by the same keys, and what it
 * leads nowhere goes to the exchange beyond it (as its alternate exchange), which leads to the new queues. A message that is led
 * to one queue on two ways is in it once. When nothing takes the direct way any more, unbinding a key of the passage moves
 * that key, at once. Then the new queues get a direct way, too, and the way beside it is not used any more; its exchanges stay
 * for as long as the old queues, for whoever is on the way.
 */
import type { Clock } from '@sluice/core/transport'
import { bindAll, bindingsOf, bindingsVersion, unbindAll } from '../bindings/bindings.ts'
import type { Names } from '../names.ts'
import type { Registry } from '../registry/registry.ts'
import type { GroupEntry } from '../registry/state.ts'
import type { TopologyKeeper } from '../topology.ts'

/** What a diversion needs. */
export interface DiversionHome {
  readonly clock: Clock
  readonly registry: Registry
  readonly names: Names
  readonly topology: TopologyKeeper
}

/** The server looks up the ways of a message one after the other; within this it is done, ms. */
const lookUpMs = 300

/** From the routing of a message to its arrival in the queue, mostly, ms. */
const settleMs = 1_000

/** Resolves when the registry knows that the new queues get what comes; whoever follows one who died over it begins anew. */
export async function divert({ clock, registry, names, topology }: DiversionHome, entry: GroupEntry): Promise<void> {
  const { channel, group, order, growth, partitions } = entry
  if (growth === undefined) return
  await topology.makeGrowth(entry, growth.partitions)
  const [direct, passage, beyond] = [names.exchange(channel), names.passage(channel, group, partitions), names.beyond(channel, group, partitions)]
  const [before, after] = [partitions, growth.partitions].map((count) => bindingsOf(names, { channel, group, order }, count)) as [Bindings, Bindings]
  const every = partitions === 1 ? '#' : '*.*.*.*'
  const isDiverted = (): boolean => registry.state.group(channel, group)?.growth?.diverted === true
  const wait = (delayMs: number): Promise<void> => new Promise((resolve) => void clock.setTimer(delayMs, resolve))
  const what = 'change the partitions of a group'
  await topology.ask(what, async (on) => {
    await on.assertExchange(beyond, 'topic', { durable: true, alternateExchange: names.unrouted(channel) })
    await on.assertExchange(passage, 'topic', { durable: true, alternateExchange: beyond })
    await bindAll(on, after, beyond)
    if (isDiverted()) return
    await bindAll(on, before, passage)
    await on.bindExchange(passage, direct, every)
    await unbindAll(on, before, direct)
  })
  if (!isDiverted()) {
    await wait(lookUpMs)
    await registry.append({ op: 'diverted', channel, group, partitions: growth.partitions })
  }
  await topology.ask(what, async (on) => {
    await unbindAll(on, before, passage)
    await bindAll(on, after, direct)
    await on.unbindExchange(passage, direct, every)
  })
  // Most of what was routed before is then where it belongs, and needs not follow later.
  await wait(settleMs)
  await registry.append({ op: 'bound', channel, group, partitions: growth.partitions, bindings: bindingsVersion })
}

type Bindings = ReturnType<typeof bindingsOf>
