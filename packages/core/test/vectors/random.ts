import type { Random } from '../../src/clock/index.ts'

const texts: readonly string[] = [
  '',
  'a',
  'order',
  'é',
  'e\u0301',
  '\u202e',
  '"',
  '\\',
  '\u0000',
  '\n',
  '😀',
  '日本',
  '../x',
  '*',
  '__proto',
  'ud800',
  '\\ud800',
  '\u2028',
  '{',
  ']',
]

/** A random text, for property tests. */
export function randomText(random: Random): string {
  let text = ''
  for (let parts = Math.floor(random() * 4); parts > 0; parts--) text += texts[Math.floor(random() * texts.length)]
  return text
}

/** A random value that JSON keeps, for property tests: at most `levels` deep. */
export function randomJson(random: Random, levels: number): unknown {
  const kind = Math.floor(random() * (levels > 0 ? 8 : 6))
  switch (kind) {
    case 0:
      return null
    case 1:
      return random() < 0.5
    case 2:
      return Math.floor((random() - 0.5) * 2 ** 54) + 0
    case 3:
      return (random() - 0.5) * 10 ** Math.floor(random() * 600 - 300) || 0
    case 4:
    case 5:
      return randomText(random)
    case 6:
      return Array.from({ length: Math.floor(random() * 5) }, () => randomJson(random, levels - 1))
    default:
      return Object.fromEntries(Array.from({ length: Math.floor(random() * 5) }, () => [randomText(random), randomJson(random, levels - 1)]))
  }
}
