/** What all processes of one machine agree on: a monotonic time, the boot, and whether a process is still there. */
import { readFileSync, readlinkSync } from 'node:fs'
import type { Clock } from '@sluice/core/transport'

/** Identity of a process that another one can check. */
export interface ProcessIdentity {
  readonly bootId: string
  /** Process ids mean nothing in another container. */
  readonly pidNamespace: string
  readonly pid: number
  /** Start time in clock ticks since boot: tells a reused pid. '' where it cannot be read. */
  readonly pidStarted: string
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return ''
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

/** Field 22 of /proc/<pid>/stat; the name in field 2 may hold spaces and brackets. '' when there is no such process. */
export function processStarted(pid: number): string {
  const stat = read(`/proc/${pid}/stat`)
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // A zombie (Z) runs nothing any more.
  return fields[0] === 'Z' || fields[0] === 'X' ? '' : (fields[19] ?? '')
}

/** This process. */
export function currentProcess(): ProcessIdentity {
  return { bootId: read('/proc/sys/kernel/random/boot_id'), pidNamespace: link('/proc/self/ns/pid'), pid: process.pid, pidStarted: processStarted(process.pid) }
}

/**
 * Machine-wide monotonic milliseconds that follow the injected clock: process.hrtime counts from boot, for all processes
 * alike; a clock that a test moves moves this one, too.
 */
export function machineTime(clock: Clock): () => number {
  const offsetMs = Number(process.hrtime.bigint()) / 1e6 - clock.monotonicMs()
  return () => offsetMs + clock.monotonicMs()
}

/**
 * Whether a process certainly runs no more, told without waiting for its lease: only for processes whose ids mean the
 * same here. false: alive, or not known.
 */
export function isCertainlyDead(other: ProcessIdentity, self: ProcessIdentity): boolean {
  if (other.bootId !== self.bootId) return other.bootId !== '' && self.bootId !== ''
  if (other.pidNamespace !== self.pidNamespace || self.pidNamespace === '' || other.pid === self.pid) return false
  if (other.pidStarted !== '') return processStarted(other.pid) !== other.pidStarted
  try {
    process.kill(other.pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}
