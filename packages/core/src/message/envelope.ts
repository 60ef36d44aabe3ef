/**
 * What travels: the attributes of one message and its encoded data. Attribute names are those of CloudEvents 1.0 and
 * its registered extensions, so there is one vocabulary from the handler's `ctx.message` to the wire
 * (docs/reference/wire-format.md). Absent attributes are absent properties.
 *
 * An envelope is never changed after it was made; who needs another one makes a copy.
 */
export interface Envelope {
  /** Unique within `source`; UUID v7 unless the producer chose one. 1–255 bytes of UTF-8. */
  readonly id: string
  /** The contract's name, e.g. `shop.order.placed`. */
  readonly type: string
  /** The service that produced it, e.g. `order`. */
  readonly source: string
  /** RFC 3339, UTC, milliseconds: when it was created. */
  readonly time: string
  /** Free to the producer: what the message is about. */
  readonly subject?: string
  /** Media type of `body` after decompression; absent means `application/json`. */
  readonly datacontenttype?: string
  /** `gzip`, `zstd` or `br` when `body` is compressed; absent means it is not. */
  readonly datacontentencoding?: string
  /** URI of the schema, where one is published. */
  readonly dataschema?: string
  /** The ordering key; absent for unkeyed messages. */
  readonly partitionkey?: string
  /** The business sequence within the key, as the producer states it (CloudEvents `sequence`). */
  readonly sequence?: string
  /** Version of the contract that wrote the data; absent means 1. */
  readonly schemaversion?: number
  /** The conversation: id of the first message of the chain. */
  readonly correlationid?: string
  /** Id of the message whose handling sent this one. */
  readonly causationid?: string
  /** W3C Trace Context. */
  readonly traceparent?: string
  readonly tracestate?: string
  /** RFC 3339: not delivered to a handler at or after this time. */
  readonly expirytime?: string
  /** RFC 3339: not delivered before this time (R3). */
  readonly notbefore?: string
  /** Attempts begun before this copy was made; only on copies in parking lots and dead-letter channels (R3). */
  readonly attempt?: number
  /** Tags to filter by. */
  readonly tags?: readonly string[]
  /** Channel that a request's reply goes to. */
  readonly replyto?: string
  /** Id of the request that this message answers. */
  readonly replyfor?: string
  /** Order from the producer on (R4): stamped only where the transport's `publishOrder` is `sequence`. */
  readonly producerid?: string
  readonly producerepoch?: number
  readonly producerseq?: number
  /** The application's own headers; names are lower-case, values are text. */
  readonly headers?: Readonly<Record<string, string>>
  /** The encoded data: text for textual codecs without compression, else bytes. */
  readonly body: string | Uint8Array
}
