/**
 * The guarantee compiler: facts of a transport × needs of a route → promises in words, or refusals. It knows no
 * transport by name; who wants to understand a promise reads the fact it comes from (transport/facts.ts).
 */
import type { TransportFacts } from '../../transport/index.ts'
import type { RoutePromise } from './api.ts'
import type { Refusal, RouteNeeds } from './needs.ts'

/** Outcome for one route. */
export interface CompiledRoute {
  readonly promises: readonly RoutePromise[]
  readonly refusals: readonly Refusal[]
}

/** Compiles what a consuming route keeps and what it cannot. */
export function compileRoute(facts: TransportFacts, needs: RouteNeeds): CompiledRoute {
  const refusals: Refusal[] = []
  const promises = [
    acceptPromise(facts),
    deliveryPromise(facts, needs, refusals),
    orderPromise(facts, needs, refusals),
    retryPromise(facts, needs, refusals),
    deadLetterPromise(facts, needs, refusals),
    startPromise(facts, needs, refusals),
    concurrencyPromise(facts, needs, refusals),
    handlingPromise(facts, needs, refusals),
  ]
  if (needs.broadcast) promises.push(broadcastPromise(facts, refusals))
  if (needs.requests) promises.push(replyPromise(facts))
  return { promises, refusals }
}

/** What a channel that is only sent to can rely on. */
export function compileSending(facts: TransportFacts, keyed: boolean): readonly RoutePromise[] {
  return keyed ? [acceptPromise(facts), producerOrder(facts)] : [acceptPromise(facts)]
}

function acceptPromise(facts: TransportFacts): RoutePromise {
  const subject = 'durable-accept'
  const from = ['confirm', 'fanOut'] as const
  const copies = facts.fanOut === 'publisher' ? ' The publisher writes one copy per group; a failure between copies is retried under the same id.' : ''
  switch (facts.confirm) {
    case 'synced':
      return { subject, level: 'kept', facts: from, text: `publish resolves after the message is synced to the disk.${copies}` }
    case 'replicated':
      return {
        subject,
        level: 'kept',
        facts: from,
        text: `publish resolves after a majority of servers holds the message in memory; a power cut of all of them at once may lose it.${copies}`,
      }
    case 'process':
      return {
        subject,
        level: 'weaker',
        facts: from,
        text: `publish resolves when the message is in the memory of one process: it is lost with that process.${copies}`,
      }
    case 'none':
      return { subject, level: 'none', facts: from, text: `publish resolves without any confirm: a message may be lost without a trace.${copies}` }
  }
}

function deliveryPromise(facts: TransportFacts, needs: RouteNeeds, refusals: Refusal[]): RoutePromise {
  if (facts.atMostOnce !== undefined) {
    if (!needs.broadcast) {
      refusals.push({
        fact: 'atMostOnce',
        message: `${facts.name} keeps no message for anybody: all that it can do is tell those who are connected, and this group wants every message once`,
        fix: `State broadcast: true and expect losses, or route the channel to ${facts.atMostOnce.instead}`,
      })
    }
    const text = 'At most once: who is not connected when it is published, or dies with it in hand, never gets it.'
    return { subject: 'delivery', level: 'none', text, facts: ['atMostOnce'] }
  }
  const takeOver = facts.settlement === 'watermark' ? 'from the last committed watermark on' : `within ${durationText(facts.takeOverMs)}`
  const settled = facts.settlementConfirmed
    ? 'An accepted message never comes again.'
    : 'Its acceptance is not confirmed, so a crash may bring an accepted message again.'
  return {
    subject: 'delivery',
    level: facts.confirm === 'none' ? 'weaker' : facts.settlementConfirmed ? 'kept' : 'weaker',
    text: `At least once to the group: what a dead consumer held is taken over ${takeOver}. ${settled}`,
    facts: ['settlement', 'settlementConfirmed', 'takeOverMs'],
  }
}

function producerOrder(facts: TransportFacts): RoutePromise {
  const from = ['publishOrder'] as const
  if (facts.publishOrder === 'kept')
    return { subject: 'order', level: 'kept', facts: from, text: 'Messages of a key are stored in the order of the calls, resends included.' }
  if (facts.publishOrder === 'sequence')
    return {
      subject: 'order',
      level: 'kept',
      facts: from,
      text: 'Messages of a key carry a producer sequence, by which consumers restore the order of the calls.',
    }
  return { subject: 'order', level: 'weaker', facts: from, text: 'A resend may bring messages of a key out of the order of the calls.' }
}

function orderPromise(facts: TransportFacts, needs: RouteNeeds, refusals: Refusal[]): RoutePromise {
  const from = ['keyOrder', 'publishOrder'] as const
  const wanted = needs.order === 'channel' || (needs.order === 'key' && needs.keyed)
  if (!wanted) {
    const text = needs.order === 'none' ? "None, as asked: order: 'none'." : 'None needed: no contract here has a key, so each message is a lane of its own.'
    return { subject: 'order', level: 'kept', text, facts: from }
  }
  const unit = needs.order === 'channel' ? 'all messages of the channel' : 'messages of one key'
  if (facts.keyOrder === 'none') {
    refusals.push({
      fact: 'keyOrder',
      message: `${facts.name} keeps no order, and this group needs that of ${unit}`,
      fix: "State order: 'none', or route the channel to a transport that keeps order by key",
    })
    return { subject: 'order', level: 'none', text: `The order of ${unit} cannot be kept.`, facts: from }
  }
  if (facts.publishOrder === 'none') {
    refusals.push({
      fact: 'publishOrder',
      message: `${facts.name} does not keep the order of sends over a resend, and this group needs that of ${unit}`,
      fix: "State order: 'none', or route the channel to another transport",
    })
    return { subject: 'order', level: 'none', text: `The order of ${unit} may break when a send is repeated.`, facts: from }
  }
  const by = facts.keyOrder === 'partition' ? 'a key never leaves its partition, which one consumer owns' : 'a key belongs to one consumer at a time'
  const resend = facts.publishOrder === 'sequence' ? 'restored by the producer sequence after a resend' : 'kept over resends'
  return {
    subject: 'order',
    level: 'kept',
    text: `Handlers see ${unit} in the order of each producer's calls: ${by}; ${resend}, retries and hand-overs.`,
    facts: from,
  }
}

function retryPromise(facts: TransportFacts, needs: RouteNeeds, refusals: Refusal[]): RoutePromise {
  const longest = Math.max(0, ...needs.handlers.map((handler) => handler.retry.maxDelayMs))
  const keepsOrder = needs.order !== 'none'
  if (facts.parkingLot === 'none' && longest > needs.holdMaxMs) {
    const handler = needs.handlers.find((one) => one.retry.maxDelayMs > needs.holdMaxMs)
    refusals.push({
      fact: 'parkingLot',
      message: `${facts.name} has no parking lot, so a retry can wait ${durationText(needs.holdMaxMs)} at most, and retry.maxDelayMs is ${durationText(longest)} (${handler?.place})`,
      fix: `Lower retry.maxDelayMs to ${needs.holdMaxMs}, or route the channel to a transport with a durable parking lot`,
    })
  }
  const attempts = {
    exact: 'Attempts are exact over crashes.',
    floor: 'After a crash the number of attempts is a floor: off by the number of deaths at most.',
    none: 'Attempts start again after a crash.',
  }[facts.attempts]
  const wait =
    longest <= needs.holdMaxMs
      ? 'While a message waits for its next attempt it is held in memory'
      : `Waits up to ${durationText(needs.holdMaxMs)} are held in memory, longer ones go to the group's parking lot`
  return {
    subject: 'retry',
    level: facts.attempts === 'none' ? 'weaker' : 'kept',
    text: `${wait}${keepsOrder ? '; only its own lane waits with it' : ''}. ${attempts}`,
    facts: ['parkingLot', 'attempts', 'handlingMsMax'],
  }
}

function deadLetterPromise(facts: TransportFacts, needs: RouteNeeds, refusals: Refusal[]): RoutePromise {
  const from = ['parkingLot'] as const
  if (facts.atMostOnce !== undefined && needs.onDeadLetter === 'continue')
    return { subject: 'dead-letter', level: 'none', text: 'A message that is given up is reported and gone: nothing is kept.', facts: ['atMostOnce'] }
  if (needs.onDeadLetter === 'continue') {
    return {
      subject: 'dead-letter',
      level: 'kept',
      text: "A message that is given up becomes a dead letter, and its successors go on (onDeadLetter: 'continue').",
      facts: from,
    }
  }
  if (facts.parkingLot === 'none') {
    refusals.push({
      fact: 'parkingLot',
      message: `${facts.name} has no parking lot to park a lane in, and onDeadLetter is 'park'`,
      fix: "State onDeadLetter: 'continue', or route the channel to a transport with a durable parking lot",
    })
  }
  const level = { durable: 'kept', process: 'weaker', none: 'none' } as const
  const lost = facts.parkingLot === 'process' ? ' The parking lot is gone with its process.' : ''
  return {
    subject: 'dead-letter',
    level: level[facts.parkingLot],
    text: `A message that is given up becomes a dead letter, and its lane is parked behind it, in order, until it is redriven or discarded.${lost}`,
    facts: from,
  }
}

function startPromise(facts: TransportFacts, needs: RouteNeeds, refusals: Refusal[]): RoutePromise {
  const from = ['lateGroup', 'replay'] as const
  const subject = 'start'
  if (needs.from === 'end') return { subject, level: 'kept', text: 'A new group begins at the end of the channel.', facts: from }
  if (facts.lateGroup === 'start' && (needs.from === 'start' || facts.replay)) {
    const where = needs.from === 'start' ? 'at the oldest kept message' : `at ${new Date(needs.from).toISOString()}`
    return { subject, level: 'kept', text: `A new group begins ${where}.`, facts: from }
  }
  if (needs.stated.has('from')) {
    const fact = facts.lateGroup === 'start' ? 'replay' : 'lateGroup'
    refusals.push({
      fact,
      message: `${facts.name} cannot begin a new group ${needs.from === 'start' ? 'at the oldest message' : 'at a time'}, and from asks for it`,
      fix: "State from: 'end', name the group in the contract's groups (so that it exists before the first message), or route the channel to a transport that keeps a log",
    })
  }
  return {
    subject,
    level: 'weaker',
    text: "A new group begins at the end: what was published before it existed does not come. Name it in the contract's groups to create it with the channel.",
    facts: from,
  }
}

function concurrencyPromise(facts: TransportFacts, needs: RouteNeeds, refusals: Refusal[]): RoutePromise {
  const from = ['groupConcurrency'] as const
  if (needs.concurrencyScope === 'process')
    return { subject: 'concurrency', level: 'kept', text: `At most ${needs.concurrency} handlers at once in this process.`, facts: from }
  if (!facts.groupConcurrency) {
    refusals.push({
      fact: 'groupConcurrency',
      message: `${facts.name} cannot bound concurrency over all processes of a group, and concurrencyScope is 'group'`,
      fix: "State concurrencyScope: 'process' and divide by the number of processes",
    })
  }
  return {
    subject: 'concurrency',
    level: facts.groupConcurrency ? 'kept' : 'none',
    text: `At most ${needs.concurrency} handlers at once over all processes of the group.`,
    facts: from,
  }
}

function handlingPromise(facts: TransportFacts, needs: RouteNeeds, refusals: Refusal[]): RoutePromise {
  for (const handler of needs.handlers) {
    if (handler.timeoutMs === undefined || handler.timeoutMs <= facts.handlingMsMax) continue
    refusals.push({
      fact: 'handlingMsMax',
      message: `${facts.name} takes a message back after ${durationText(facts.handlingMsMax)}, and timeoutMs is ${durationText(handler.timeoutMs)} (${handler.place})`,
      fix: `Lower timeoutMs to ${facts.handlingMsMax}, raise the transport's own time-out, or split the work into several messages`,
    })
  }
  const text = Number.isFinite(facts.handlingMsMax)
    ? `A handler may take up to ${durationText(facts.handlingMsMax)}.`
    : 'A handler may take as long as it needs: its hold is renewed.'
  return { subject: 'handling-time', level: 'kept', text, facts: ['handlingMsMax', 'settlement'] }
}

function broadcastPromise(facts: TransportFacts, refusals: Refusal[]): RoutePromise {
  if (!facts.broadcast) {
    refusals.push({
      fact: 'broadcast',
      message: `${facts.name} has no groups of a single instance, and broadcast is set`,
      fix: 'Leave out broadcast and give each instance a group of its own, or route the channel to another transport',
    })
  }
  return {
    subject: 'broadcast',
    level: facts.broadcast ? 'kept' : 'none',
    text: 'Every instance gets every message published while it runs; its group is gone with it.',
    facts: ['broadcast'],
  }
}

function replyPromise(facts: TransportFacts): RoutePromise {
  return {
    subject: 'reply',
    level: facts.presence ? 'kept' : 'weaker',
    text: facts.presence
      ? 'A request that nobody can answer fails with NO_HANDLER at once.'
      : 'A request that nobody can answer fails at its time-out: the transport does not know who is there.',
    facts: ['presence'],
  }
}

/** A duration for people. */
export function durationText(ms: number): string {
  if (!Number.isFinite(ms)) return 'any time'
  if (ms < 1000) return `${ms} ms`
  if (ms < 60_000) return `${round(ms / 1000)} s`
  if (ms < 3_600_000) return `${round(ms / 60_000)} min`
  return `${round(ms / 3_600_000)} h`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
