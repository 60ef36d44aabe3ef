import type { Finding } from '@sluice/core/transport'

/** Findings that are listed one by one; the rest is counted: a file of zeros has millions. */
const listedMax = 100

/** Where the parts of a check put what they find. */
export class Findings {
  readonly listed: Finding[] = []
  unlisted = 0
  errors = 0

  add(level: Finding['level'], code: string, where: string, what: string, means: string, fix: string): void {
    if (level === 'error') this.errors++
    if (this.listed.length < listedMax) this.listed.push({ level, code, where, what, means, fix })
    else this.unlisted++
  }

  error(code: string, where: string, what: string, means: string, fix: string = restore): void {
    this.add('error', code, where, what, means, fix)
  }

  note(code: string, where: string, what: string, means: string, fix = 'Nothing to do'): void {
    this.add('note', code, where, what, means, fix)
  }
}

const restore = 'Keep a copy of the damaged files for analysis, stop all services that use the bus, and restore a backup'
