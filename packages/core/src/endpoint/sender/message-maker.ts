import type { Clock } from '../../clock/index.ts'
import { newId } from '../../clock/index.ts'
import type { Contract } from '../../contract/index.ts'
import { SluiceError } from '../../errors/index.ts'
import { type CodecRegistry, type CompressionOptions, checkAttribute, checkHeaders, checkSize, type EncodeOptions, type Envelope } from '../../message/index.ts'
import type { OutgoingMessage } from '../../transport/index.ts'
import type { Middleware } from '../middleware/api.ts'
import { runSend } from '../middleware/chain.ts'
import type { EnvelopeDraft, OutgoingMaker } from './outgoing.ts'

/** What a message maker needs of its bus. */
export interface MessageMakerOptions {
  readonly service: string
  readonly clock: Clock
  readonly codecs: CodecRegistry
  readonly compression: CompressionOptions | undefined
  /** Middleware in effect. */
  middleware(): readonly Middleware[]
}

// Attributes that the caller may have given; the others are ours and right by construction.
const given = ['subject', 'sequence', 'traceparent', 'tracestate', 'tags'] as const

/** Turns a draft and its data into an envelope: middleware, encoding, compression, checks. */
export class MessageMaker implements OutgoingMaker {
  readonly source: string
  readonly #options: MessageMakerOptions
  readonly #encoding: EncodeOptions | undefined

  constructor(options: MessageMakerOptions) {
    this.source = options.service
    this.#options = options
    this.#encoding = options.compression === undefined ? undefined : { compression: options.compression }
  }

  nowMs(): number {
    return this.#options.clock.nowMs()
  }

  newId(nowMs: number): string {
    return newId(nowMs)
  }

  finish(contract: Contract, data: unknown, draft: EnvelopeDraft, bytesMax: number): OutgoingMessage {
    const middleware = this.#options.middleware()
    if (middleware.length > 0) wrap(middleware, contract, data, draft)
    for (const name of given) if (draft[name] !== undefined) checkAttribute(name, draft[name])
    if (draft.headers !== undefined) checkHeaders(draft.headers)
    // Compression, or middleware that puts the data elsewhere, may make it fit.
    const mayShrink = this.#encoding !== undefined || (middleware.length > 0 && middleware.some((one) => one.encoded !== undefined))
    const encoded = this.#options.codecs.encode(data, this.#encoding, mayShrink ? undefined : bytesMax)
    draft.body = encoded.body
    if (encoded.datacontenttype !== undefined) draft.datacontenttype = encoded.datacontenttype
    if (encoded.datacontentencoding !== undefined) draft.datacontentencoding = encoded.datacontentencoding
    let envelope: Envelope = draft
    for (const one of middleware) if (one.encoded !== undefined) envelope = checkEncoded(one, draft, one.encoded(envelope))
    return { channel: contract.channel, envelope, sizeBytes: checkSize(envelope, bytesMax) }
  }
}

function wrap(middleware: readonly Middleware[], contract: Contract, data: unknown, draft: EnvelopeDraft): void {
  const headers = { ...draft.headers }
  let sent = false
  runSend(middleware, { contract, data, id: draft.id, key: draft.partitionkey, channel: contract.channel, headers }, () => {
    sent = true
  })
  if (sent && Object.keys(headers).length > 0) draft.headers = headers
}

/** Identity and order are not for middleware to change: the receipt and the lane were made from them. */
function checkEncoded(middleware: Middleware, made: Envelope, envelope: Envelope): Envelope {
  if (envelope.id === made.id && envelope.type === made.type && envelope.partitionkey === made.partitionkey && envelope.source === made.source) return envelope
  throw new SluiceError('INVALID_OPTION', `the middleware ${middleware.name ?? 'without a name'} changed the id, type, source or key of a message`, {
    fix: 'encoded may change headers, body and its content type',
  })
}
