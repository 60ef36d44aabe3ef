/** Names of a channel's keys: all under one hash tag, so that they are on one node of a cluster. */
export function channelKey(prefix: string, channel: string): string {
  return `${prefix}{${channel}}`
}

/** What all names of a bus begin with in a cluster: one hash tag, so that they are all in one slot. */
export function clusterPrefix(prefix: string): string {
  return `{${prefix}}`
}

/** Names of all channels, and the channel of each schedule: outside of any channel's tag. */
export function registryKeys(prefix: string): { readonly channels: string; readonly schedules: string } {
  return { channels: `${prefix}channels`, schedules: `${prefix}schedules` }
}

export function groupKey(channelsKey: string, group: string): string {
  return `${channelsKey}:g:${group}`
}
