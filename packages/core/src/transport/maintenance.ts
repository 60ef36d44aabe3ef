/** Looking after the files of a transport that keeps its own; one beside a server leaves that to the server's tools. */

/** Something that is not as it should be. `error`: messages or order are at stake; `note`: harmless, mends itself. */
export interface Finding {
  readonly level: 'error' | 'note'
  /** Stable, e.g. `BLOCK_DAMAGED`. */
  readonly code: string
  /** Channel, group, position, row. */
  readonly where: string
  readonly what: string
  /** What follows from it for messages. */
  readonly means: string
  readonly fix: string
}

/** A process that uses the file now, as it registered itself; processes that only publish do not. */
export interface FileUser {
  readonly service: string
  readonly pid: number
}

/** What a check looked at and found. */
export interface CheckReport {
  readonly path: string
  /** Whether there is no finding of level `error`. */
  readonly sound: boolean
  readonly findings: readonly Finding[]
  /** Findings beyond those that are listed. */
  readonly unlisted: number
  readonly messages: number
  readonly blocks: number
  readonly channels: number
  readonly groups: number
  readonly bytes: number
}

/** What compacting did. */
export interface CompactReport {
  readonly path: string
  readonly bytesBefore: number
  readonly bytesAfter: number
  /**
   * Whether the file was written anew. false: somebody uses it, and no byte was moved; `usedBy` names whom it knows.
   */
  readonly compacted: boolean
  readonly usedBy: readonly FileUser[]
}

/** What a backup wrote. */
export interface BackupReport {
  readonly path: string
  readonly to: string
  readonly bytes: number
  /** The copy's own check. */
  readonly check: CheckReport
}

/** Maintenance of a transport's files, by URL. None of it changes what is promised to those who use the file meanwhile. */
export interface TransportMaintenance {
  /** Reads everything and changes nothing; the bus may be in use. */
  check(url: string): Promise<CheckReport>
  /** Gives unused room back to the disk. Needs a moment in which nobody uses the file; else it says who does. */
  compact(url: string): Promise<CompactReport>
  /** Writes a consistent copy, checked before it gets its name; the bus may be in use. `to` must not exist. */
  backup(url: string, to: string): Promise<BackupReport>
}
