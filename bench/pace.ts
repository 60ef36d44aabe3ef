import { nowNs } from './processes.ts'

/** Calls `send(n)` at a steady rate, catching up after a late timer; resolves after the last call. */
export function atRate(perSecond: number, count: number, send: (n: number) => void): Promise<void> {
  return new Promise((resolve) => {
    const startNs = nowNs()
    let sent = 0
    const timer = setInterval(() => {
      const due = Math.min(count, Math.floor(((nowNs() - startNs) * perSecond) / 1e9))
      while (sent < due) send(sent++)
      if (sent === count) {
        clearInterval(timer)
        resolve()
      }
    }, 1)
  })
}
