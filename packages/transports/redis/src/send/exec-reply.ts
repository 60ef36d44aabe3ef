import { isError, RedisError, readArray, readReply, type Source, skipNull } from '../resp/reply.ts'

/** Outcome of a MULTI of XADDs. */
export interface Executed {
  /** Whether each message was stored; one that was not has no channel. */
  readonly stored: readonly boolean[]
  readonly replicas: number | undefined
}

/** Reads +OK, +QUEUED …, and EXEC's list. */
export function readExec(source: Source): Executed {
  let refused: RedisError | undefined
  const { bytes } = source
  // Answers before EXEC's are single lines; its own is an array, or an error when one of them was.
  while (bytes[source.at] !== 42 && source.at < bytes.length) {
    if (isError(source)) refused ??= readReply(source) as RedisError
    else source.at = bytes.indexOf(10, source.at) + 1
    if (refused !== undefined) break
  }
  if (refused !== undefined) throw refused
  if (skipNull(source)) throw new RedisError('EXECABORT the transaction was not executed')
  const count = readArray(source)
  const stored: boolean[] = new Array(count)
  for (let i = 0; i < count; i++) {
    if (isError(source)) throw readReply(source) as RedisError
    if (skipNull(source)) stored[i] = false
    else {
      readReply(source)
      stored[i] = true
    }
  }
  const replicas = source.at < bytes.length ? readReply(source) : undefined
  return { stored, replicas: typeof replicas === 'number' ? replicas : undefined }
}
