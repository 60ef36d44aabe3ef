import { connect } from 'node:net'

/**
 * One conversation with a server on this machine: `talk` writes through the first function and reads exactly as many
 * bytes as it asks the second one for. Undefined when nobody listens, the server hangs up, or 15 s are over (a starved server answers late).
 */
export function exchange<T>(
  port: number,
  talk: (write: (bytes: Uint8Array | string) => void, read: (count: number) => Promise<Buffer>) => Promise<T>,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    let held = Buffer.alloc(0)
    let waiting: { readonly count: number; readonly resolve: (bytes: Buffer) => void } | undefined
    const finish = (result: T | undefined): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(result)
    }
    const timer = setTimeout(finish, 15_000, undefined)
    const serve = (): void => {
      if (waiting === undefined || held.length < waiting.count) return
      const { count, resolve: answer } = waiting
      waiting = undefined
      const bytes = held.subarray(0, count)
      held = held.subarray(count)
      answer(bytes)
    }
    socket.on('data', (bytes: Buffer) => {
      held = Buffer.concat([held, bytes])
      serve()
    })
    socket.on('error', () => finish(undefined))
    socket.on('close', () => finish(undefined))
    socket.on('connect', () => {
      const read = (count: number): Promise<Buffer> =>
        new Promise((answer) => {
          waiting = { count, resolve: answer }
          serve()
        })
      talk((bytes) => socket.write(bytes), read).then(finish, () => finish(undefined))
    })
  })
}

/** True when nobody listens on the port: it can be had. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port })
    socket.on('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.on('error', () => resolve(true))
  })
}
