import type { CommandContract, EventContract, RequestContract } from '../../contract/index.ts'
import type { RequestOptions } from '../request-reply/api.ts'
import type { PublishEntry, PublishManyOptions, PublishOptions, PublishReceipt } from './api.ts'

/** The verbs that send: of the bus, and of a handler's context (which also stamps correlation and causation). */
export interface BusSender {
  /**
   * Publishes one event. Validates the schema's *input*, sends that input, and resolves after the durable confirm.
   *
   * Rejects with VALIDATION_FAILED, NOT_SERIALIZABLE, MESSAGE_TOO_LARGE, INVALID_ATTRIBUTE, INVALID_HEADER, UNSUPPORTED
   * (an option the transport cannot keep), BACKPRESSURE (publish buffer full), UNROUTED (`unrouted: 'error'`),
   * PUBLISH_FAILED (certainly not stored), PUBLISH_UNKNOWN (the confirm never came: publish again under `details.id`),
   * ABORTED, BUS_STOPPED.
   */
  publish<Input>(event: EventContract<Input, unknown>, data: NoInfer<Input>, options?: PublishOptions): Promise<PublishReceipt>
  /**
   * Publishes several events of one contract, in order. Resolves when all are confirmed. Nothing is sent when one entry
   * is invalid. Rejects with PUBLISH_PARTIAL, whose `details.entries[i]` is a {@link PublishOutcome}: later entries of a
   * key that failed are not sent (NOT_SENT).
   */
  publishMany<Input>(
    event: EventContract<Input, unknown>,
    entries: readonly PublishEntry<NoInfer<Input>>[],
    options?: PublishManyOptions,
  ): Promise<readonly PublishReceipt[]>
  /** Sends one command to its group, as {@link BusSender.publish}; it waits there until it is handled. */
  send<Input>(command: CommandContract<Input, unknown>, data: NoInfer<Input>, options?: PublishOptions): Promise<PublishReceipt>
  /** Sends several commands of one contract, in order, as {@link BusSender.publishMany}. */
  sendMany<Input>(
    command: CommandContract<Input, unknown>,
    entries: readonly PublishEntry<NoInfer<Input>>[],
    options?: PublishManyOptions,
  ): Promise<readonly PublishReceipt[]>
  /**
   * Sends a request and resolves to its reply's output. Rejects with NO_HANDLER (where absence is known),
   * REQUEST_TIMEOUT, REQUEST_REJECTED (the handler gave up; its error is the `cause`), ABORTED, and what `send` rejects with.
   */
  request<Input, Reply>(request: RequestContract<Input, unknown, unknown, Reply>, data: NoInfer<Input>, options?: RequestOptions): Promise<Reply>
}
