/** What the command line can do. A command is one entry here, and its texts. */
import type { CheckReport, Finding } from '@sluice/core/transport'
import { backup, check, compact } from '../maintenance.ts'
import { chineseFindings } from './finding-texts.ts'
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
  run(where: string, rest: readonly string[], language: Language): Promise<Answer>
}

export const commands: Readonly<Record<string, Command>> = {
  check: {
    summary: 'check',
    reads: 'readOnly',
    parameters: ['<file>'],
    example: 'sluice check .sluice/bus.db',
    async run(where, _rest, language) {
      const report = await check(where)
      return { exit: report.sound ? 0 : 1, result: report, lines: describeCheck(report, language) }
    },
  },
  compact: {
    summary: 'compact',
    reads: 'readWrite',
    parameters: ['<file>'],
    example: 'sluice compact .sluice/bus.db',
    async run(where, _rest, language) {
      const report = await compact(where)
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
    async run(where, [to = ''], language) {
      const report = await backup(where, to)
      return { exit: 0, result: report, lines: [say(language, 'backedUp', report.to, report.bytes)] }
    },
  },
}

function describeCheck(report: CheckReport, language: Language): string[] {
  const { path, sound, findings, unlisted, messages, blocks, channels, groups, bytes } = report
  const lines = findings.flatMap((finding) => {
    const { what, means, fix } = inLanguage(finding, language)
    return [
      `${finding.level} ${finding.code}: ${what}`,
      `  ${say(language, 'where')}: ${finding.where}`,
      `  ${say(language, 'means')}: ${means}`,
      `  ${say(language, 'fix')}: ${fix}`,
    ]
  })
  if (unlisted > 0) lines.push(say(language, 'unlisted', unlisted))
  lines.push(sound ? say(language, 'sound', path, messages, blocks, channels, groups, bytes) : say(language, 'unsound', path, findings.length + unlisted))
  return lines
}

function inLanguage(finding: Finding, language: Language): Pick<Finding, 'what' | 'means' | 'fix'> {
  const text = language === 'zh' ? chineseFindings[finding.code] : undefined
  return text === undefined ? finding : { ...text, what: `${text.what}（${finding.what}）` }
}
