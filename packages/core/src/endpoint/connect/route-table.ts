import { SluiceError } from '../../errors/index.ts'

interface Rule {
  readonly pattern: RegExp
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
      if (name.includes('*')) this.#rules.push({ pattern: patternOf(name), literal: name.indexOf('*'), url })
      else this.#exact.set(name, url)
    }
    this.#rules.sort((a, b) => b.literal - a.literal)
  }

  /** Every URL in use, the default first. */
  get urls(): readonly string[] {
    return [...new Set([this.#default, ...this.#exact.values(), ...this.#rules.map((rule) => rule.url)])]
  }

  urlOf(channel: string): string {
    return this.#exact.get(channel) ?? this.#rules.find((rule) => rule.pattern.test(channel))?.url ?? this.#default
  }
}

/** `*` is one word, `**` any number of words. Linear time: each word of the pattern is one simple class. */
function patternOf(text: string): RegExp {
  const words = text.split('.')
  if (words.filter((word) => word === '**').length > 1 || !words.every((word) => word === '*' || word === '**' || /^[A-Za-z0-9_-]+$/.test(word))) {
    throw new SluiceError('INVALID_OPTION', `routes: ${JSON.stringify(text)} is not a pattern`, { fix: 'Write words joined by dots; "*" stands for one word, "**" (once) for any number of words' })
  }
  let source = ''
  for (const [index, word] of words.entries()) {
    if (word === '**') source += index === 0 ? '(?:[^.]+(?:\\.[^.]+)*)?' : '(?:\\.[^.]+)*'
    else source += `${index > 0 ? (words[index - 1] === '**' && index === 1 ? '\\.?' : '\\.') : ''}${word === '*' ? '[^.]+' : word}`
  }
  return new RegExp(`^${source}$`)
}
