/** What the command line can do. A command is one entry here, and its texts. */
import type { CheckReport, TransportMaintenance } from '@sluice/core/transport'
import { type Language, say, type TextKey } from './texts.ts'

/** 0: done. 1: it found what is wrong, or could not do it now. 2: called in a wrong way. 3: an error. */
export type ExitCode = 0 | 1 | 2 | 3

/** What a command answers: the same in JSON and as text. */
export interface Answer {
  readonly exit: ExitCode
  readonly result: object
  readonly lines: readonly string[]
}

export interface Command {
  readonly summary: TextKey
  readonly reads: 'readOnly' | 'readWrite'
  readonly parameters: readonly string[]
  readonly example: string
  run(maintenance: TransportMaintenance, url: string, rest: readonly string[], language: Language): Promise<Answer>
}

export const commands: Readonly<Record<string, Command>> = {
  check: {
    summary: 'check',
    reads: 'readOnly',
    parameters: ['<file>'],
    example: 'sluice check .sluice/bus.db',
    async run(maintenance, url, _rest, language) {
      const report = await maintenance.check(url)
      return { exit: report.sound ? 0 : 1, result: report, lines: describeCheck(report, language) }
    },
  },
  compact: {
    summary: 'compact',
    reads: 'readWrite',
    parameters: ['<file>'],
    example: 'sluice compact .sluice/bus.db',
    async run(maintenance, url, _rest, language) {
      const report = await maintenance.compact(url)
      const { path, bytesBefore, bytesAfter, usedBy } = report
      const users = usedBy.length === 0 ? '' : ` (${usedBy.map(({ service, pid }) => `${service}, pid ${pid}`).join('; ')})`
      const line = report.compacted ? say(language, 'compacted', path, bytesBefore, bytesAfter) : say(language, 'inUse', path, users)
      return { exit: report.compacted ? 0 : 1, result: report, lines: [line] }
    },
  },
  backup: {
    summary: 'backup',
    reads: 'readOnly',
    parameters: ['<file>', '<to>'],
    example: 'sluice backup .sluice/bus.db backups/bus-2026-11-21.db',
    async run(maintenance, url, [to = ''], language) {
      const report = await maintenance.backup(url, to)
      return { exit: 0, result: report, lines: [say(language, 'backedUp', report.to, report.bytes)] }
    },
  },
}

function describeCheck(report: CheckReport, language: Language): string[] {
  const { path, sound, findings, unlisted, messages, blocks, channels, groups, bytes } = report
  const lines = findings.flatMap((finding) => [
    `${finding.level} ${finding.code}: ${finding.what}`,
    `  ${say(language, 'where')}: ${finding.where}`,
    `  ${say(language, 'means')}: ${finding.means}`,
    `  ${say(language, 'fix')}: ${finding.fix}`,
  ])
  if (unlisted > 0) lines.push(say(language, 'unlisted', unlisted))
  lines.push(sound ? say(language, 'sound', path, messages, blocks, channels, groups, bytes) : say(language, 'unsound', path, findings.length + unlisted))
  return lines
}
