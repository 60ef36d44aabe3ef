import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '@sluice/core/transport'

/**
 * The absolute path that a `file:` URL names: `file:/abs/bus.db`, `file:///abs/bus.db`, `file:./bus.db`, `file:bus.db`
 * (relative to the working directory). Percent escapes are decoded. Throws INVALID_OPTION.
 */
export function pathOfUrl(url: string): string {
  if (!url.startsWith('file:')) throw new SluiceError('INVALID_OPTION', `not a file: URL: ${url}`)
  const rest = url.slice('file:'.length)
  const invalid = (why: string, cause?: unknown): SluiceError =>
    new SluiceError('INVALID_OPTION', `the bus URL ${url} ${why}`, { cause, fix: 'Write file:/absolute/path/bus.db or file:./relative/bus.db' })
  if (rest === '' || rest.endsWith('/')) throw invalid('names no file')
  if (rest.includes('?') || rest.includes('#')) throw invalid('must not have a query or fragment')
  try {
    if (rest.startsWith('//')) return fileURLToPath(url)
    const path = decodeURIComponent(rest)
    if (path.includes('\0')) throw invalid('contains a NUL character')
    return resolve(path)
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw invalid('is not a valid file URL', error)
  }
}
