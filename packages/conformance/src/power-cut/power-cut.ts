/** Simulated power cuts of one recorded run: many moments, at each one of the disks that are possible then. */
import { seededRandom } from '@sluice/core/testing'
import { chanceOf } from './chance.ts'
import { Disk, type Image } from './disk.ts'
import { judgeImage } from './judge.ts'
import { Promises } from './marks.ts'
import type { Operation, Trace } from './trace.ts'

/** What one image showed. */
export interface Cut {
  /** Number of the image: with the seed and the recording it gives the same image again. */
  readonly image: number
  /** Line of the recording before which the power went. */
  readonly at: number
  readonly manner: string
  readonly uncertain: number
  readonly findings: readonly string[]
}

/** How to cut. */
export interface CutOptions {
  readonly seed: number
  readonly images: number
  /** Folder for images, on a file system in memory if there is one. */
  readonly folder: string
  /** The disk before the run, and what had been promised then. */
  readonly base?: Image
  readonly before?: readonly (readonly Operation[])[]
  /** Only this image. */
  readonly only?: number
  /** Stop at the first finding. */
  readonly first?: boolean
  /** Leave the images there. */
  readonly keep?: boolean
  /** Told after each. */
  readonly report?: (cut: Cut, image: Image) => void
}

/** Cuts the power at `images` moments. Resolves to those with findings. */
export async function cutPower(trace: Trace, options: CutOptions): Promise<Cut[]> {
  const { seed, images, folder, base, before = [], only, first = false, keep = false, report } = options
  const marks = trace.operations.filter(({ kind }) => kind === 'mark')
  const moments = momentsOf(trace, seed, images)
  const disk = new Disk(trace, base)
  const promises = new Promises()
  for (const earlier of before) promises.addAll(earlier)
  const bad: Cut[] = []
  let marked = 0
  for (const [image, at] of moments.entries()) {
    disk.advance(at)
    const from = marked
    while (marked < marks.length && (marks[marked] as Operation).begin < at) marked++
    promises.addAll(marks.slice(from, marked))
    if (only !== undefined && image !== only) continue
    const { uncertain } = disk
    const { manner, chance } = chanceOf(seededRandom(seed * 1_000_003 + image), uncertain)
    const files = disk.image(chance)
    const findings = await judgeImage(files, promises, `${folder}/image-${seed}-${image}`, keep)
    const cut = { image, at, manner, uncertain, findings }
    report?.(cut, files)
    if (findings.length === 0) continue
    bad.push(cut)
    if (first) return bad
  }
  return bad
}

/** The marks of a recording up to a moment, as `before` of a run that goes on from there. */
export function marksBefore(trace: Trace, at: number): readonly Operation[] {
  return trace.operations.filter(({ kind, begin }) => kind === 'mark' && begin < at)
}

/** Ascending. Half of them right after a promise or a sync, where something could be missing; the rest anywhere. */
function momentsOf({ operations, length }: Trace, seed: number, images: number): readonly number[] {
  const random = seededRandom(seed)
  const sharp = operations.filter(
    ({ kind, name }) => kind === 'mark' || kind === 'sync' || kind === 'unlink' || kind === 'open' || (kind === 'write' && name === 'bus.db'),
  )
  const start = operations[0]?.begin ?? 0
  const moments = Array.from({ length: images }, () => {
    const operation = sharp[Math.floor(random() * sharp.length)]
    if (operation === undefined || random() < 0.4) return start + Math.floor(random() * (length - start))
    return operation.end === Infinity || random() < 0.7 ? operation.begin + 1 : operation.end + 1
  })
  return moments.sort((a, b) => a - b)
}
