/** Quantiles of Student's t, two-sided 95 %, by degrees of freedom from 1; beyond, the normal distribution's is near enough. */
const quantiles: readonly number[] = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086,
]

/** The 95 % interval of the mean ratio (geometric) of interleaved pairs; of a single pair nobody knows one: both ends are `undefined`. */
export function ratioInterval(ratios: readonly number[]): { readonly mean: number; readonly low: number | undefined; readonly high: number | undefined } {
  const logs = ratios.map(Math.log)
  const count = logs.length
  const mean = logs.reduce((sum, value) => sum + value, 0) / count
  if (count < 2) return { mean: Math.exp(mean), low: undefined, high: undefined }
  const variance = logs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1)
  const margin = (quantiles[count - 2] ?? 1.96) * Math.sqrt(variance / count)
  return { mean: Math.exp(mean), low: Math.exp(mean - margin), high: Math.exp(mean + margin) }
}
