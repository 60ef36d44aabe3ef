import { SluiceError } from '../../errors/index.ts'

interface Rule {
  readonly words: readonly string[]
  /** Length of the pattern before its first star. */
  readonly literal: number
  readonly url: string
}

/** Which URL a channel's messages go to. An exact name wins, then the pattern with the longest literal beginning. */
export class RouteTable {
  readonly #default: string
  readonly #exact: Map<string, string> = new Map()
  readonly #rules: Rule[] = []

  /** @throws SluiceError INVALID_OPTION for a pattern that is neither a name nor words with `*` and `**`. */
  constructor(defaultUrl: string, routes: Readonly<Record<string, string>>) {
    this.#default = defaultUrl
    for (const [name, url] of Object.entries(routes)) {
      if (typeof url !== 'string' || url === '') throw new SluiceError('INVALID_OPTION', `routes: ${JSON.stringify(name)} has no URL`)
      const words = wordsOf(name)
      if (name.includes('*')) this.#rules.push({ words, literal: name.indexOf('*'), url })
      else this.#exact.set(name, url)
    }
    this.#rules.sort((a, b) => b.literal - a.literal)
  }

  /** Every URL in use, the default first. */
  get urls(): readonly string[] {
    return [...new Set([this.#default, ...this.#exact.values(), ...this.#rules.map((rule) => rule.url)])]
  }

  urlOf(channel: string): string {
    const words = channel.split('.')
    return this.#exact.get(channel) ?? this.#rules.find((rule) => matches(rule.words, words))?.url ?? this.#default
  }
}

/** The words of a pattern: `*` is one word, `**` any number of words, once. */
function wordsOf(text: string): readonly string[] {
  const words = text.split('.')
  if (words.filter((word) => word === '**').length > 1 || !words.every((word) => word === '*' || word === '**' || /^[A-Za-z0-9_-]+$/.test(word))) {
    throw new SluiceError('INVALID_OPTION', `routes: ${JSON.stringify(text)} is not a pattern`, {
      fix: 'Write words joined by dots; "*" stands for one word, "**" (once) for any number of words',
    })
  }
  return words
}

function matches(pattern: readonly string[], words: readonly string[]): boolean {
  const same = (part: readonly string[], offset: number): boolean => part.every((word, index) => word === '*' || word === words[offset + index])
  const star = pattern.indexOf('**')
  if (star < 0) return pattern.length === words.length && same(pattern, 0)
  const tail = pattern.slice(star + 1)
  return words.length >= pattern.length - 1 && same(pattern.slice(0, star), 0) && same(tail, words.length - tail.length)
}
