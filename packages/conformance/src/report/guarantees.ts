import { chinese } from './chinese.ts'
import type { Recorded, RecordedCase } from './recorded.ts'

/** Language of a page. */
export type Language = 'en' | 'zh'

interface Texts {
  readonly title: string
  readonly other: string
  readonly intro: readonly string[]
  readonly marks: Readonly<Record<RecordedCase['outcome'], string>>
  /** Beside a mark: how many messages, where the name says more. */
  messages(count: string): string
  readonly facts: string
  readonly fact: string
  readonly recorded: string
  readonly caseHead: string
  readonly reasons: string
  readonly reasonsAnchor: string
  readonly noReasons: string
  readonly notRun: string
  readonly yes: string
  readonly no: string
  readonly unbounded: string
}

const texts: Readonly<Record<Language, Texts>> = {
  en: {
    title: '# What each transport guarantees',
    other: '[中文](guarantees.zh-CN.md)',
    intro: [
      'Made from runs of the conformance suite on real servers; do not edit. A ✓ is a case that passed; *cannot* is one that the',
      'transport’s facts rule out and that was proven to be refused, not done badly; – was left out. The numbers lead to',
      'the reasons below. Where fewer messages ran than the case says, their number stands beside. What the promises mean: [guarantees](../explanation/guarantees.md).',
    ],
    marks: { pass: '✓', fail: '✗ fails', cannot: 'cannot', skipped: '–' },
    messages: (count) => ` (${count} messages)`,
    facts: 'Facts',
    fact: 'fact',
    recorded: 'server, day of the run',
    caseHead: 'case',
    reasons: 'Reasons',
    reasonsAnchor: 'reasons',
    noReasons: 'None: nothing was left out.',
    notRun: 'not run',
    yes: 'yes',
    no: 'no',
    unbounded: 'unbounded',
  },
  zh: {
    title: '# 各传输层的保证',
    other: '[English](guarantees.md)',
    intro: [
      '本页由一致性测试在真实服务器上的运行结果生成，请勿手工修改。✓ 表示用例通过；“不能”表示该传输层的事实排除了它，',
      '并且已证明它会被明确拒绝，而不是勉强去做；– 表示没有运行。数字指向下面的原因；如果运行的消息数少于用例名称中的数目，会在旁边注明。承诺的含义见[保证](../explanation/guarantees.md)。',
    ],
    marks: { pass: '✓', fail: '✗ 失败', cannot: '不能', skipped: '–' },
    messages: (count) => `（${count} 条消息）`,
    facts: '事实',
    fact: '事实',
    recorded: '服务器，运行日期',
    caseHead: '用例',
    reasons: '原因',
    reasonsAnchor: '原因',
    noReasons: '无：没有跳过任何用例。',
    notRun: '未运行',
    yes: '是',
    no: '否',
    unbounded: '无上限',
  },
}

/** The page `docs/reference/guarantees.md`: transports × facts, transports × cases, and the reasons of what is left out. */
export function guaranteesPage(runs: readonly Recorded[], language: Language): string {
  const text = texts[language]
  const translate = (english: string): string => (language === 'zh' ? (chinese[english] ?? english) : english)
  const reasons: string[] = []
  const cell = ({ transport }: Recorded, found: RecordedCase | undefined): string => {
    if (found === undefined) return text.notRun
    const mark = text.marks[found.outcome] + (found.messages === undefined ? '' : text.messages(found.messages.toLocaleString('en')))
    if (found.reason === undefined) return mark
    const reason = language === 'zh' ? `${transport}：${translate(found.reason)}。` : `${transport}: ${found.reason}.`
    if (!reasons.includes(reason)) reasons.push(reason)
    return `${mark} [${reasons.indexOf(reason) + 1}](#${text.reasonsAnchor})`
  }
  const lines = [text.title, '', text.other, '', ...text.intro, '', ...factsTable(runs, text, translate)]
  for (const [subject, names] of casesOf(runs)) {
    const title = translate(subject)
    lines.push('', `## ${title[0]?.toUpperCase()}${title.slice(1)}`, '', ...tableHead(text.caseHead, runs))
    for (const name of names) {
      const cells = runs.map((run) =>
        cell(
          run,
          run.cases.find((each) => each.subject === subject && each.name === name),
        ),
      )
      lines.push(`| ${translate(name).replaceAll('|', '\\|')} | ${cells.join(' | ')} |`)
    }
  }
  lines.push('', `## ${text.reasons}`, '', ...(reasons.length === 0 ? [text.noReasons] : reasons.map((reason, i) => `${i + 1}. ${reason}`)), '')
  return lines.join('\n')
}

// Of all runs: they may be of different days, and a case may be new.
function casesOf(runs: readonly Recorded[]): ReadonlyMap<string, ReadonlySet<string>> {
  const found = new Map<string, Set<string>>()
  for (const { subject, name } of runs.flatMap(({ cases }) => cases)) found.set(subject, (found.get(subject) ?? new Set()).add(name))
  return found
}

function factsTable(runs: readonly Recorded[], text: Texts, translate: (english: string) => string): string[] {
  const translateNote = (note: string): string => {
    const bare = note.replace(/\.$/, '')
    const translated = translate(bare)
    return translated === bare ? note : `${translated}。`
  }
  const names = Object.keys(runs[0]?.facts ?? {}).filter((name) => !['name', 'notes', 'serverVersion'].includes(name))
  const head = `| ${text.recorded} | ${runs.map(({ facts, day }) => `${facts.serverVersion}, ${day}`).join(' | ')} |`
  const rows = names.map((name) => `| \`${name}\` | ${runs.map(({ facts }) => show(facts[name], text)).join(' | ')} |`)
  const notes = runs.flatMap(({ transport, facts }) => facts.notes.map((note) => `- ${transport}: ${translateNote(note)}`))
  return [`## ${text.facts}`, '', ...tableHead(text.fact, runs), head, ...rows, ...(notes.length === 0 ? [] : ['', ...notes])]
}

function tableHead(first: string, runs: readonly Recorded[]): string[] {
  return [`| ${first} | ${runs.map(({ transport }) => transport).join(' | ')} |`, `| --- |${' --- |'.repeat(runs.length)}`]
}

function show(value: unknown, text: Texts): string {
  // JSON has no Infinity.
  if (value === Number.MAX_SAFE_INTEGER || value === Number.POSITIVE_INFINITY || value === null) return text.unbounded
  if (typeof value === 'object') {
    return Object.entries(value)
      .map(([name, part]) => `${name} ${show(part, text)}`)
      .join(', ')
  }
  if (typeof value === 'boolean') return value ? text.yes : text.no
  return typeof value === 'number' ? value.toLocaleString('en') : String(value)
}
