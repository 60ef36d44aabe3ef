import type { HandlerRun, Middleware } from '../endpoint/middleware/api.ts'

/** A message that a bus of the kit was asked to send, and that passed its checks. */
export interface PublishedMessage<Data = unknown> {
  /** Service that sent it. */
  readonly service: string
  readonly type: string
  readonly channel: string
  readonly id: string
  readonly key: string | undefined
  readonly headers: Readonly<Record<string, string>>
  /** What was passed to `publish`, `send` or `request`. */
  readonly data: Data
}

/** One message that a handler was called with. */
export interface HandledMessage<Data = unknown> {
  readonly service: string
  readonly group: string
  readonly type: string
  readonly channel: string
  readonly id: string
  readonly key: string | undefined
  readonly attempt: number
  /** What the handler got. */
  readonly data: Data
  /** `running` until the handler has ended. */
  readonly outcome: 'running' | 'returned' | 'threw'
  readonly error: unknown
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] }

/** Remembers what all buses of a kit publish and handle, by middleware: the same code runs as without it. */
export class Recorder {
  readonly published: PublishedMessage[] = []
  readonly handled: HandledMessage[] = []
  /** Handler calls that have not ended. */
  running = 0

  middleware(service: string): Middleware {
    return {
      name: 'test kit',
      send: (draft, next) => {
        next()
        this.published.push({
          service,
          type: draft.contract.name,
          channel: draft.channel,
          id: draft.id,
          key: draft.key,
          headers: { ...draft.headers },
          data: draft.data,
        })
      },
      handle: (run, next) => this.#handle(service, run, next),
    }
  }

  #handle(service: string, run: HandlerRun, next: () => unknown): unknown {
    const records = run.entries.map((entry): Mutable<HandledMessage> => {
      const { type, id } = entry.message
      return {
        service,
        group: run.context.group,
        type,
        channel: run.context.channel,
        id,
        key: entry.key,
        attempt: entry.attempt,
        data: entry.data,
        outcome: 'running',
        error: undefined,
      }
    })
    this.handled.push(...records)
    this.running++
    const end = (thrown: { readonly error: unknown } | undefined): void => {
      this.running--
      for (const [index, record] of records.entries()) {
        const failure = thrown ?? run.entries[index]?.failure
        record.outcome = failure === undefined ? 'returned' : 'threw'
        record.error = failure?.error
      }
    }
    let result: unknown
    try {
      result = next()
    } catch (error) {
      end({ error })
      throw error
    }
    if (!(result instanceof Promise)) {
      end(undefined)
      return result
    }
    return result.then(
      (value: unknown) => {
        end(undefined)
        return value
      },
      (error: unknown) => {
        end({ error })
        throw error
      },
    )
  }
}
