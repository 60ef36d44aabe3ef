/** Requests of and about groups. */
import { type Api, type ByTopic, type PartitionError, readError, readTopics, topics } from './api.ts'

/** What a member says when it joins. */
export interface JoinAsk {
  readonly group: string
  readonly sessionMs: number
  readonly rebalanceMs: number
  /** '' the first time. */
  readonly member: string
  readonly type: string
  readonly protocol: string
  readonly metadata: Uint8Array
}

/** What it is told: the members only if it is the leader. */
export interface Joined {
  readonly error: number
  readonly generation: number
  readonly leader: string
  readonly member: string
  readonly members: readonly { readonly member: string; readonly metadata: Buffer }[]
}

/** Joins, or joins again; answered when all have joined. */
export const joinGroup: Api<JoinAsk, Joined> = {
  name: 'JoinGroup',
  key: 11,
  version: 5,
  write: (to, ask) =>
    to
      .string(ask.group)
      .int32(ask.sessionMs)
      .int32(ask.rebalanceMs)
      .string(ask.member)
      .string(null)
      .string(ask.type)
      .array([ask], ({ protocol, metadata: bytes }) => to.string(protocol).bytes(bytes)),
  read(from) {
    from.int32()
    const [error, generation] = [from.int16(), from.int32()]
    from.nullableString()
    const [leader, member] = [from.string(), from.string()]
    const members = from.array(() => {
      const id = from.string()
      from.nullableString()
      return { member: id, metadata: from.bytes() }
    })
    return { error, generation, leader, member, members }
  },
}

/** Who speaks, and of which generation. */
export interface MemberOf {
  readonly group: string
  readonly generation: number
  readonly member: string
}

/** The leader's plan, or none; answered with the member's own part of it. */
export const syncGroup: Api<
  MemberOf & { readonly plan: readonly { readonly member: string; readonly assignment: Uint8Array }[] },
  { readonly error: number; readonly assignment: Buffer }
> = {
  name: 'SyncGroup',
  key: 14,
  version: 3,
  write: (to, ask) =>
    to
      .string(ask.group)
      .int32(ask.generation)
      .string(ask.member)
      .string(null)
      .array(ask.plan, ({ member, assignment }) => to.string(member).bytes(assignment)),
  read(from) {
    from.int32()
    return { error: from.int16(), assignment: from.bytes() }
  },
}

/** Still there. */
export const heartbeat: Api<MemberOf, { readonly error: number }> = {
  name: 'Heartbeat',
  key: 12,
  version: 3,
  write: (to, ask) => to.string(ask.group).int32(ask.generation).string(ask.member).string(null),
  read(from) {
    from.int32()
    return { error: from.int16() }
  },
}

/** Leaves at once. */
export const leaveGroup: Api<{ readonly group: string; readonly member: string }, { readonly error: number }> = {
  name: 'LeaveGroup',
  key: 13,
  version: 3,
  write: (to, ask) => to.string(ask.group).array([ask.member], (member) => to.string(member).string(null)),
  read(from) {
    from.int32()
    return { error: from.int16() }
  },
}

/** What is committed for one partition. */
export interface CommittedOffset {
  readonly partition: number
  /** −1: nothing. */
  readonly offset: number
  readonly metadata: string
}

/** Commits offsets with metadata, refused unless the generation is the present one. */
export const commitOffsets: Api<MemberOf & { readonly offsets: ByTopic<CommittedOffset> }, ReadonlyMap<string, readonly PartitionError[]>> = {
  name: 'OffsetCommit',
  key: 8,
  version: 7,
  write(to, ask) {
    to.string(ask.group).int32(ask.generation).string(ask.member).string(null)
    topics(to, ask.offsets, ({ partition, offset, metadata: text }) => to.int32(partition).int64(offset).int32(-1).string(text))
  },
  read(from) {
    from.int32()
    return readTopics(from, () => readError(from))
  },
}

/** Waits (by an error that passes) for transactions that are not decided yet. */
export const fetchOffsets: Api<
  { readonly group: string; readonly partitions: ReadonlyMap<string, readonly number[]>; readonly stable: boolean },
  { readonly error: number; readonly topics: ReadonlyMap<string, readonly (CommittedOffset & PartitionError)[]> }
> = {
  name: 'OffsetFetch',
  key: 9,
  version: 7,
  flexible: true,
  write: (to, ask) =>
    to
      .compactString(ask.group)
      .compactArray([...ask.partitions], ([name, list]) =>
        to
          .compactString(name)
          .compactArray(list, (partition) => to.int32(partition))
          .tags(),
      )
      .bool(ask.stable)
      .tags(),
  read(from) {
    from.int32()
    const list = from.compactArray(() => {
      const name = from.compactString()
      const partitions = from.compactArray(() => {
        const [partition, offset] = [from.int32(), from.int64()]
        from.int32()
        const one = { partition, offset, metadata: from.compactNullableString() ?? '', error: from.int16() }
        from.tags()
        return one
      })
      from.tags()
      return [name, partitions] as const
    })
    const error = from.int16()
    from.tags()
    return { error, topics: new Map(list) }
  },
}

/** How many members groups have. */
export const describeGroups: Api<
  { readonly groups: readonly string[] },
  readonly { readonly error: number; readonly group: string; readonly state: string; readonly members: number }[]
> = {
  name: 'DescribeGroups',
  key: 15,
  version: 4,
  write: (to, ask) => to.array(ask.groups, (group) => to.string(group)).bool(false),
  read(from) {
    from.int32()
    return from.array(() => {
      const [error, group, state] = [from.int16(), from.string(), from.string()]
      from.string()
      from.string()
      const { length } = from.array(() => {
        from.string()
        from.nullableString()
        from.string()
        from.string()
        from.bytes()
        from.bytes()
      })
      from.int32()
      return { error, group, state, members: length }
    })
  },
}

/** Forgets what groups have committed; they must have no member. */
export const deleteGroups: Api<{ readonly groups: readonly string[] }, readonly { readonly group: string; readonly error: number }[]> = {
  name: 'DeleteGroups',
  key: 42,
  version: 1,
  write: (to, ask) => to.array(ask.groups, (group) => to.string(group)),
  read(from) {
    from.int32()
    return from.array(() => ({ group: from.string(), error: from.int16() }))
  },
}
