import { checkReplyInput, type RequestContract } from '../../contract/index.ts'
import { isSluiceError, SluiceError } from '../../errors/index.ts'
import type { CodecRegistry, Envelope } from '../../message/index.ts'
import type { OutgoingMessage } from '../../transport/index.ts'
import { replyChannelPrefix, replyRejectedType, replyType } from './reply-message.ts'

/** What the replier needs of its route. */
export interface ReplierParts {
  readonly source: string
  readonly codecs: CodecRegistry
  nowMs(): number
  newId(): string
  /** Sends one reply; rejects as `publish` does. */
  send(message: OutgoingMessage): Promise<unknown>
  sizeOf(envelope: Envelope): number
  /** A reply that nobody waits for any more. */
  late(): void
}

/** Answers requests. Replies go to reply channels only, and a reply is no request: loops are impossible. */
export class Replier {
  readonly #parts: ReplierParts

  constructor(parts: ReplierParts) {
    this.#parts = parts
  }

  /** Validates what the handler returned and sends it. Rejects with VALIDATION_FAILED, NOT_SERIALIZABLE, PUBLISH_…. */
  async answer(contract: RequestContract, request: Envelope, reply: unknown): Promise<void> {
    const checked = checkReplyInput(contract, reply)
    if (checked instanceof Promise) await checked
    const channel = replyChannelOf(request)
    if (channel === undefined) return
    await this.#send(channel, request, replyType(request.type), this.#parts.codecs.encode(reply))
  }

  /** Tells the requester that its request was given up. Never rejects: the dead letter says it, too. */
  async refuse(request: Envelope, reason: { readonly code: string; readonly message: string }): Promise<void> {
    const channel = replyChannelOf(request)
    if (channel === undefined) return
    try {
      await this.#send(channel, request, replyRejectedType(request.type), this.#parts.codecs.encode({ code: reason.code, message: reason.message }))
    } catch {
      // The requester runs into its time-out instead.
    }
  }

  async #send(
    channel: string,
    request: Envelope,
    type: string,
    encoded: { readonly body: string | Uint8Array; readonly datacontenttype?: string },
  ): Promise<void> {
    const envelope: Envelope = {
      id: this.#parts.newId(),
      type,
      source: this.#parts.source,
      time: new Date(this.#parts.nowMs()).toISOString(),
      correlationid: request.correlationid ?? request.id,
      causationid: request.id,
      replyfor: request.id,
      ...encoded,
    }
    try {
      await this.#parts.send({ channel, envelope, sizeBytes: this.#parts.sizeOf(envelope), rejectUnrouted: true })
    } catch (error) {
      // The requester and its channel are gone: a late reply is counted, it is no error of the handler.
      if (!isSluiceError(error, 'UNROUTED')) throw error
      this.#parts.late()
    }
  }
}

/** Only the library's own reply channels: a forged `replyto` cannot make a handler write into somebody's channel. */
function replyChannelOf(request: Envelope): string | undefined {
  return request.replyto?.startsWith(replyChannelPrefix) === true && request.replyfor === undefined ? request.replyto : undefined
}

/** The error that a rejected request's caller gets. */
export function rejectedError(type: string, requestId: string, reason: { readonly code?: unknown; readonly message?: unknown }): SluiceError {
  const code = typeof reason.code === 'string' ? reason.code : 'Error'
  const message = typeof reason.message === 'string' ? reason.message : 'the handler failed'
  const cause = new Error(message)
  cause.name = code
  return new SluiceError('REQUEST_REJECTED', `the handler of ${type} gave up: ${message}`, {
    cause,
    fix: "The request is among the dead letters of its channel, with the handler's stack",
    details: { request: type, requestId, code },
  })
}
