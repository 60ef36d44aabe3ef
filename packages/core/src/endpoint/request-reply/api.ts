import type { PublishOptions } from '../sender/api.ts'

/** Options of `bus.request`. */
export interface RequestOptions
  extends Pick<PublishOptions, 'id' | 'key' | 'headers' | 'subject' | 'tags' | 'priority' | 'correlationId' | 'causationId' | 'traceparent' | 'tracestate'> {
  /** How long to wait for the reply, ms; the request expires with it. Default 30,000. */
  readonly timeoutMs?: number
  /** Stops waiting: rejects with ABORTED. The handler may run all the same. */
  readonly signal?: AbortSignal
}
