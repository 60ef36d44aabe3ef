/** Requests about the brokers themselves. */
import type { Api, BrokerAddress } from './api.ts'

/** Who the brokers are, and who leads which partition. */
export interface Metadata {
  readonly brokers: readonly BrokerAddress[]
  readonly controllerId: number
  readonly topics: readonly {
    readonly error: number
    readonly name: string
    readonly partitions: readonly { readonly partition: number; readonly leader: number }[]
  }[]
}

/** Of these topics; none: only the brokers. */
export const metadata: Api<{ readonly topics: readonly string[] }, Metadata> = {
  name: 'Metadata',
  key: 3,
  version: 5,
  write: (to, ask) => to.array(ask.topics, (name) => to.string(name)).bool(false),
  read(from) {
    from.int32()
    const brokers = from.array(() => {
      const broker = { nodeId: from.int32(), host: from.string(), port: from.int32() }
      from.nullableString()
      return broker
    })
    from.nullableString()
    const controllerId = from.int32()
    const list = from.array(() => {
      const [error, name] = [from.int16(), from.string()]
      from.bool()
      const partitions = from.array(() => {
        from.int16()
        const one = { partition: from.int32(), leader: from.int32() }
        for (let lists = 0; lists < 3; lists++) from.array(() => from.int32())
        return one
      })
      return { error, name, partitions }
    })
    return { brokers, controllerId, topics: list }
  },
}

/** Who coordinates a group, or a transactional id. */
export const findCoordinator: Api<
  { readonly key: string; readonly kind: 'group' | 'transaction' },
  { readonly error: number; readonly broker: BrokerAddress }
> = {
  name: 'FindCoordinator',
  key: 10,
  version: 2,
  write: (to, ask) => to.string(ask.key).int8(ask.kind === 'group' ? 0 : 1),
  read(from) {
    from.int32()
    const error = from.int16()
    from.nullableString()
    return { error, broker: { nodeId: from.int32(), host: from.string(), port: from.int32() } }
  },
}

/** Kind of request → the newest version that the broker understands. */
export const apiVersions: Api<undefined, { readonly error: number; readonly versions: ReadonlyMap<number, number> }> = {
  name: 'ApiVersions',
  key: 18,
  version: 0,
  write: () => {},
  read(from) {
    const error = from.int16()
    return {
      error,
      versions: new Map(
        from.array(() => {
          const key = from.int16()
          from.int16()
          return [key, from.int16()] as const
        }),
      ),
    }
  },
}

/** Settings of a topic or a broker. */
export const describeConfigs: Api<
  { readonly kind: 'topic' | 'broker'; readonly resource: string; readonly names: readonly string[] },
  { readonly error: number; readonly values: ReadonlyMap<string, string | null> }
> = {
  name: 'DescribeConfigs',
  key: 32,
  version: 1,
  write: (to, ask) =>
    to
      .array([ask], ({ kind, resource, names }) =>
        to
          .int8(kind === 'topic' ? 2 : 4)
          .string(resource)
          .array(names, (name) => to.string(name)),
      )
      .bool(false),
  read(from) {
    from.int32()
    let error = 0
    const values = new Map<string, string | null>()
    from.array(() => {
      error = from.int16()
      from.nullableString()
      from.int8()
      from.string()
      from.array(() => {
        values.set(from.string(), from.nullableString())
        from.bool()
        from.int8()
        from.bool()
        from.array(() => {
          from.string()
          from.nullableString()
          from.int8()
        })
      })
    })
    return { error, values }
  },
}

/** Names the mechanism. */
export const saslHandshake: Api<{ readonly mechanism: string }, { readonly error: number; readonly mechanisms: readonly string[] }> = {
  name: 'SaslHandshake',
  key: 17,
  version: 1,
  write: (to, ask) => to.string(ask.mechanism),
  read: (from) => ({ error: from.int16(), mechanisms: from.array(() => from.string()) }),
}

/** One step of the mechanism. */
export const saslAuthenticate: Api<{ readonly bytes: Uint8Array }, { readonly error: number; readonly bytes: Buffer }> = {
  name: 'SaslAuthenticate',
  key: 36,
  version: 1,
  write: (to, ask) => to.bytes(ask.bytes),
  read(from) {
    const error = from.int16()
    from.nullableString()
    const bytes = from.bytes()
    from.int64()
    return { error, bytes }
  },
}
