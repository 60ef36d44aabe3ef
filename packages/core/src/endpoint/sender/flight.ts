import type { OutgoingMessage } from '../../transport/index.ts'
import type { PendingMessage, Span } from './pending.ts'

/** One `transport.send`: spans of calls, in order. */
export class Flight {
  readonly spans: Span[] = []
  /** What the transport is given: the messages of the spans, one after the other. */
  readonly messages: OutgoingMessage[] = []
  startedMs = 0
  readonly #countMax: number
  readonly #bytesMax: number
  #bytes = 0

  constructor(countMax: number, bytesMax: number) {
    this.#countMax = countMax
    this.#bytesMax = bytesMax
  }

  get full(): boolean {
    return this.messages.length >= this.#countMax || this.#bytes >= this.#bytesMax
  }

  /** Takes what fits of a span whose call goes as a whole; returns the index behind what it took. */
  take(span: Span): number {
    const { call, from, to } = span
    let index = from
    for (; index < to && !this.full; index++) this.#push(call.messages[index] as OutgoingMessage)
    call.sentTo(index)
    this.spans.push(index === to ? span : { call, from, to: index })
    return index
  }

  /** Takes one message. */
  add(pending: PendingMessage): void {
    const { call, index } = pending
    pending.state = 'in-flight'
    this.#push(pending.message)
    this.spans.push({ call, from: index, to: index + 1 })
  }

  #push(message: OutgoingMessage): void {
    this.messages.push(message)
    this.#bytes += message.sizeBytes
  }

  /** Its messages one by one, in the order of `messages`. */
  get entries(): readonly PendingMessage[] {
    return this.spans.flatMap(({ call, from, to }) => call.entries.slice(from, to))
  }
}
