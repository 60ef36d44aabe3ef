/**
 * Names of lanes as a parking lot stores them. A lane is named by what keeps it together: the ordering key, the id of
 * a message that is its own lane, or the whole channel. The prefix keeps a key and an id that look alike apart.
 */
/** What a lane is made of; see {@link laneName}. */
export type LaneKind = 'key' | 'id' | 'channel'

/** Name of a lane in the parking lot and with its dead letters. */
export function laneName(kind: LaneKind, key: string): string {
  return kind === 'channel' ? 'channel' : `${kind}:${key}`
}

/** Reads a name back that {@link laneName} made; a name of a newer version counts as an id, which blocks nobody. */
export function parseLaneName(name: string): { readonly kind: LaneKind; readonly key: string } {
  if (name === 'channel') return { kind: 'channel', key: '' }
  if (name.startsWith('key:')) return { kind: 'key', key: name.slice(4) }
  return { kind: 'id', key: name.startsWith('id:') ? name.slice(3) : name }
}
