import { type Finding, isSluiceError } from '@sluice/core/transport'

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

/** What an error says, without its code in front and its fix behind: a finding has its own. */
export function saidBy(error: Error): string {
  if (!isSluiceError(error)) return error.message
  const fixLength = error.fix === undefined ? 0 : error.fix.length + 2
  return error.message.slice(error.code.length + 2, error.message.length - fixLength)
}

const restore = 'Keep a copy of the damaged files for analysis, stop all services that use the bus, and restore a backup'
