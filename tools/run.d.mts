/** Why node_modules is not what the lockfile says, or undefined if it is. */
export function staleness(folder: string): string | undefined
