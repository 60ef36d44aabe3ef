/** A defect planted on purpose, to show that some check sees it. */
export interface PlantedBug {
  /** What goes wrong, in words; also how it is asked for (`SLUICE_PLANTED`). */
  readonly bug: string
  /** Source file, from the root of the repository. */
  readonly file: string
  /** Text that occurs exactly once in it. */
  readonly find: string
  readonly replace: string
  /** Names of the checks (checks.ts) that must fail with it, the quickest first. */
  readonly caughtBy: readonly string[]
}

/** The source with the bug in it. Throws unless the text is there exactly once. */
export function planted(source: string, { bug, file, find, replace }: PlantedBug): string {
  const count = source.split(find).length - 1
  if (count !== 1) throw new Error(`planted bug "${bug}": its text occurs ${count} times in ${file}, not once`)
  return source.replace(find, () => replace)
}
