/** One seed: a run that is recorded, the power cuts of it, and for some seeds a second run on what the first cut left. */
import { mkdirSync, rmSync } from 'node:fs'
import { seededRandom } from '@sluice/core/testing'
import { walBytesMaxName } from './content.ts'
import type { Image } from './disk.ts'
import { type Cut, cutPower, marksBefore } from './power-cut.ts'
import { record } from './record.ts'
import type { Trace } from './trace.ts'

/** What to do with a seed. */
export interface CampaignOptions {
  readonly seed: number
  readonly images: number
  /** Folder of its own; what is found bad stays there, with the recording. */
  readonly folder: string
  readonly scale?: number
  /** Environment of the recorded processes, not of the judge. */
  readonly environment?: Readonly<Record<string, string>>
  /** Faults beside the power cut. Default: by the seed. */
  readonly fault?: Fault
  readonly first?: boolean
}

/**
 * `full`: writes fail now and then, as on a full disk. `failing`: some syncs fail. `lying`: some syncs do nothing and say
 * they did (outside of what is promised). `twice`: the power goes again while the bus runs on what the first cut left.
 */
export type Fault = 'none' | 'full' | 'failing' | 'lying' | 'twice'

/** What a seed showed. */
export interface CampaignResult {
  readonly seed: number
  readonly fault: Fault
  readonly images: number
  /** Calls recorded: writes, syncs … */
  readonly operations: number
  /** Restarts of the write-ahead log seen. */
  readonly restarts: number
  readonly promises: number
  readonly bad: readonly Cut[]
}

const injections: Readonly<Record<Fault, readonly string[]>> = {
  none: [],
  twice: [],
  full: ['inject=pwrite64:error=ENOSPC:when=150+61'],
  failing: ['inject=fdatasync:error=EIO:when=20+25'],
  lying: ['inject=fdatasync:retval=0:when=5+3'],
}

/** Fault of a seed: half of them none. */
export function faultOf(seed: number): Fault {
  return (['none', 'twice', 'none', 'full', 'none', 'failing'] as const)[seed % 6] as Fault
}

/**
 * A small log is restarted all the time, and never gets zeros written ahead; a larger one is seldom restarted, and does: six
 * seeds with the one, six with the other.
 */
function walBytesMaxOf(seed: number): number {
  return (Math.floor(seed / 6) % 2 === 0 ? 1 : 4) * 1024 * 1024
}

export async function runSeed(options: CampaignOptions): Promise<CampaignResult> {
  const { seed, images, folder, scale = 1, environment = {}, fault = faultOf(seed), first = false } = options
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const share = fault === 'twice' ? Math.ceil(images / 2) : images
  const common = { scale, environment: { [walBytesMaxName]: String(walBytesMaxOf(seed)), ...environment }, inject: injections[fault] }
  const trace = await record({ ...common, folder: `${folder}/run`, seed })
  let base: { readonly image: Image; readonly at: number } | undefined
  const chosen = Math.floor(seededRandom(seed)() * share)
  let done = 0
  const bad = await cutPower(trace, {
    seed,
    images: share,
    folder,
    first,
    report: ({ at, image, findings }, files) => {
      done++
      if (image === chosen && findings.length === 0) base = { image: new Map([...files].map(([name, content]) => [name, Buffer.from(content)])), at }
    },
  })
  let second: Trace | undefined
  if (fault === 'twice' && base !== undefined && bad.length === 0) {
    second = await record({ ...common, folder: `${folder}/run-again`, seed: seed + 500_000, base: base.image })
    const again = await cutPower(second, {
      seed: seed + 500_000,
      images: images - share,
      folder,
      first,
      base: base.image,
      before: [marksBefore(trace, base.at)],
      report: () => void done++,
    })
    bad.push(...again)
  }
  const operations = [...trace.operations, ...(second?.operations ?? [])]
  if (bad.length === 0) rmSync(folder, { recursive: true, force: true })
  return {
    seed,
    fault,
    images: done,
    operations: operations.length,
    restarts: operations.filter(({ kind, name, offset, data }) => kind === 'write' && name === 'bus.db-wal' && offset === 0 && data.length === 32).length,
    promises: operations.filter(({ kind }) => kind === 'mark').length,
    bad,
  }
}
