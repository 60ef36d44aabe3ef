/**
 * How a service reacts to one contract: perhaps it calls a provider outside, then it changes its own file and asks for
 * messages, in one transaction with the message's id. The same reaction serves the bus (in batches) and the
 * synchronous chain (one at a time).
 */
import type { BatchEntry, Bus, CommandContract, EventContract, HandlerHandle } from 'sluice'
import type { BusinessFile, Effects, OutgoingRow } from '../books/business-file.ts'

/** A message that a reaction asked for. */
export type Emitted = Omit<OutgoingRow, 'seq'>

/** What a reaction needs from its process. */
export interface Host {
  readonly file: BusinessFile
  /** There is something in `to_send`. */
  wakeRelay(): void
  /** `count` messages of this contract took effect. */
  handled(contractName: string, count: number): void
}

/** A reaction with its types put away, so that a service is a list of them. */
export interface Reaction {
  readonly contract: EventContract | CommandContract
  /** Takes the contract's messages from the bus. */
  register(bus: Bus, host: Host): HandlerHandle
  /** Takes one message from the synchronous chain; resolves to what it asks for at once (delayed messages go to the bus). */
  chain(host: Host, id: string, data: unknown): Promise<readonly Emitted[]>
}

type Call = (data: unknown) => Promise<unknown>
type Apply = (data: unknown, effects: Effects, answer: unknown) => void
type Entry = Pick<BatchEntry, 'message' | 'fail'> & { readonly data: unknown }

// 8 × 256 calls of 180 ms at once are about 10,000 messages a second: latency is hidden by concurrency, order is kept
// because a batch holds at most one message of a lane.
const tuning = { concurrency: 8, batch: { size: 256, waitMs: 4, perLane: 'one' }, retry: { attempts: 8, minDelayMs: 50, maxDelayMs: 5_000 } } as const

/** Reacts to an event by changing the service's file. */
export function onEvent<Data>(contract: EventContract<unknown, Data>, apply: (data: Data, effects: Effects) => void): Reaction {
  return make(contract, undefined, (data, effects) => apply(data as Data, effects))
}

/** Reacts to an event after a provider outside was called; the call must be idempotent by its own key. */
export function onEventAfter<Data, Answer>(
  contract: EventContract<unknown, Data>,
  call: (data: Data) => Promise<Answer>,
  apply: (data: Data, effects: Effects, answer: Answer) => void,
): Reaction {
  return make(
    contract,
    (data) => call(data as Data),
    (data, effects, answer) => apply(data as Data, effects, answer as Answer),
  )
}

/** Carries out a command by changing the service's file. */
export function onCommand<Data>(contract: CommandContract<unknown, Data>, apply: (data: Data, effects: Effects) => void): Reaction {
  return make(contract, undefined, (data, effects) => apply(data as Data, effects))
}

/** Carries out a command after a provider outside was called; the call must be idempotent by its own key. */
export function onCommandAfter<Data, Answer>(
  contract: CommandContract<unknown, Data>,
  call: (data: Data) => Promise<Answer>,
  apply: (data: Data, effects: Effects, answer: Answer) => void,
): Reaction {
  return make(
    contract,
    (data) => call(data as Data),
    (data, effects, answer) => apply(data as Data, effects, answer as Answer),
  )
}

function make(contract: EventContract | CommandContract, call: Call | undefined, apply: Apply): Reaction {
  return {
    contract,
    register(bus, host) {
      const handler = (entries: readonly Entry[]): Promise<void> => handleBatch(host, contract.name, entries, call, apply)
      return contract.kind === 'event' ? bus.on(contract, handler, tuning) : bus.handle(contract, handler, tuning)
    },
    async chain(host, id, data) {
      const before = host.file.wasHandled(id)
      if (before !== undefined) return repeated(host, id, before.reply)
      const answer = await call?.(data)
      return host.file.transact(() => {
        const meanwhile = host.file.wasHandled(id)
        if (meanwhile !== undefined) return repeated(host, id, meanwhile.reply)
        const { emitted } = effectsOf(host.file, (effects) => apply(data, effects, answer))
        return keepReply(host, id, contract.name, emitted)
      })
    },
  }
}

/** Books a step that came over HTTP: what is due now is the answer, what is due later goes to the bus. */
export function keepReply(host: Host, id: string, contractName: string, emitted: readonly Emitted[]): readonly Emitted[] {
  const now = emitted.filter((message) => message.dueAtMs === 0 && !message.callOff)
  for (const message of emitted) if (message.dueAtMs !== 0 || message.callOff) host.file.enqueue(message)
  host.file.markHandled(id, JSON.stringify(now))
  if (now.length < emitted.length) host.wakeRelay()
  host.handled(contractName, 1)
  return now
}

function repeated(host: Host, id: string, reply: string | null): readonly Emitted[] {
  host.file.noteRedelivery(id)
  // Handled over the bus before: its messages travel there.
  return reply === null ? [] : (JSON.parse(reply) as Emitted[])
}

async function handleBatch(host: Host, contractName: string, entries: readonly Entry[], call: Call | undefined, apply: Apply): Promise<void> {
  const { file } = host
  const answers = new Map<Entry, unknown>()
  const todo = call === undefined ? entries : await callAll(file, entries, call, answers)
  const book = (some: readonly Entry[]): number => file.transact(() => some.reduce((done, entry) => done + bookOne(file, entry, apply, answers.get(entry)), 0))
  let done = 0
  try {
    done = book(todo)
  } catch {
    // One of them cannot be booked: each by itself, so that only that one fails.
    for (const entry of todo) {
      try {
        done += book([entry])
      } catch (error) {
        entry.fail(error)
      }
    }
  }
  if (done > 0) host.handled(contractName, done)
  // Also without an effect: a step handed over from the chain left messages.
  if (file.toSendCount > 0) host.wakeRelay()
}

// Calls the provider for what was not handled before, all at once; returns the entries that can be booked.
async function callAll(file: BusinessFile, entries: readonly Entry[], call: Call, answers: Map<Entry, unknown>): Promise<readonly Entry[]> {
  const failed = new Set<Entry>()
  const ask = async (entry: Entry): Promise<void> => {
    try {
      answers.set(entry, await call(entry.data))
    } catch (error) {
      failed.add(entry)
      entry.fail(error)
    }
  }
  await Promise.all(entries.filter((entry) => file.wasHandled(entry.message.id) === undefined).map(ask))
  return failed.size === 0 ? entries : entries.filter((entry) => !failed.has(entry))
}

function bookOne(file: BusinessFile, entry: Entry, apply: Apply, answer: unknown): 0 | 1 {
  const id = entry.message.id
  const before = file.wasHandled(id)
  if (before !== undefined) {
    file.noteRedelivery(id)
    handOver(file, id, before.reply)
    return 0
  }
  for (const message of effectsOf(file, (effects) => apply(entry.data, effects, answer)).emitted) file.enqueue(message)
  file.markHandled(id, null)
  return 1
}

/**
 * A step that the synchronous chain took comes over the bus: the chain broke, and nobody knows how far its answer got.
 * So what it asked for travels by bus, too; whoever had it already drops it by its id.
 */
export function handOver(file: BusinessFile, id: string, reply: string | null): void {
  if (reply === null) return
  for (const message of JSON.parse(reply) as Emitted[]) file.enqueue(message)
  file.run('UPDATE handled SET reply = NULL WHERE id = ?', id)
}

/** Runs `work` and collects what it asks for. */
export function effectsOf<T>(file: BusinessFile, work: (effects: Effects) => T): { readonly result: T; readonly emitted: readonly Emitted[] } {
  const emitted: Emitted[] = []
  const result = work({
    emit: (contract, data, id, delayMs) => {
      emitted.push({ id, contract: contract.name, data, dueAtMs: delayMs === undefined ? 0 : Date.now() + delayMs, callOff: false })
    },
    callOff: (contract, id) => void emitted.push({ id, contract: contract.name, data: null, dueAtMs: 0, callOff: true }),
    sawStep: (stream, key, step) => file.sawStep(stream, key, step),
  })
  return { result, emitted }
}
