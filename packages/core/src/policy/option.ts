import { SluiceError } from '../errors/index.ts'

/** Checks a numeric option; throws INVALID_OPTION that names the option, its bounds and what it got. */
export function checkNumber(name: string, value: unknown, min: number, max: number, whole = false): number {
  if (typeof value === 'number' && value >= min && value <= max && (!whole || Number.isInteger(value))) return value
  const kind = whole ? 'a whole number' : 'a number'
  const bounds = max === Number.POSITIVE_INFINITY ? `of at least ${min}` : `from ${min} to ${max}`
  throw new SluiceError('INVALID_OPTION', `${name} is ${typeof value === 'number' ? value : typeof value}`, {
    fix: `Set ${name} to ${kind} ${bounds}`,
    details: { option: name },
  })
}
