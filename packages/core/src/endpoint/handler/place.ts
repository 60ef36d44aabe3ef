const ownFolder = new URL('../', import.meta.url).href

/**
 * Where in the application a handler was registered: the first stack frame outside this library, as `file:line`.
 * Only for error messages; undefined where stacks are off.
 */
export function callerPlace(): string | undefined {
  const holder: { stack?: string } = {}
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 20
  Error.captureStackTrace(holder, callerPlace)
  Error.stackTraceLimit = limit
  for (const line of (holder.stack ?? '').split('\n').slice(1)) {
    if (line.includes(ownFolder) && !/\.test\.[jt]s/.test(line)) continue
    const at = /\(?((?:file:\/\/|\/|[A-Za-z]:\\)[^()]*:\d+):\d+\)?$/.exec(line.trim())
    if (at !== null) return (at[1] as string).replace('file://', '')
  }
  return undefined
}
