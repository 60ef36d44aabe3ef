import { SluiceError } from '../errors/index.ts'
import { printable } from './names.ts'

/**
 * Throws INVALID_OPTION where an options object is none, or has a name that nobody reads: a misspelt option that is
 * silently ignored is found in production, by the wrong person.
 */
export function refuseUnknownOptions(owner: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) throw new SluiceError('INVALID_OPTION', `the options of ${owner} are not an object`)
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new SluiceError('INVALID_OPTION', `${owner} has no option ${printable(name)}`, { fix: `Known options: ${known.join(', ')}` })
    }
  }
}
