/** What is read of one entry of a package-lock.json. */
export interface LockEntry {
  readonly version?: string
  readonly resolved?: string
  readonly link?: boolean
  readonly dev?: boolean
  readonly optional?: boolean
  readonly license?: string
  readonly cpu?: readonly string[]
  readonly os?: readonly string[]
  readonly libc?: readonly string[]
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** A package-lock.json. */
export interface Lock {
  readonly packages: Readonly<Record<string, LockEntry>>
}

/** The `os`, `cpu` and `libc` that a platform package's name promises. */
export function platformOf(name: string): LockEntry
/** Optional dependencies that the lockfile names and does not hold, as [path, entry]. */
export function missingOptional(lock: Lock): [string, LockEntry][]
/** Paths of entries that record a download address. */
export function recordedHosts(lock: Lock): string[]
/** The lockfile with both faults mended. */
export function mended(lock: Lock): Lock
