import type { Random } from '../../src/clock/index.ts'
import type { Envelope } from '../../src/message/index.ts'

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

/** A random envelope that obeys every rule, for property tests. */
export function randomEnvelope(random: Random): Envelope {
  const maybe = <T>(make: () => T): T | undefined => (random() < 0.3 ? make() : undefined)
  const identifier = (): string => `k${randomText(random)}`.replace(/[\p{Cc}]/gu, '').slice(0, 60)
  const integer = (least: number, most: number): number => least + Math.floor(random() * (most - least + 1))
  const time = (): string => new Date(integer(0, 4e12)).toISOString()
  const optional = {
    subject: maybe(identifier),
    dataschema: maybe(() => 'https://example.com/schema'),
    partitionkey: maybe(identifier),
    sequence: maybe(identifier),
    schemaversion: maybe(() => integer(1, 2 ** 31 - 1)),
    correlationid: maybe(identifier),
    causationid: maybe(identifier),
    traceparent: maybe(() => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'),
    tracestate: maybe(() => 'a=b'),
    expirytime: maybe(time),
    notbefore: maybe(time),
    attempt: maybe(() => integer(0, 100)),
    tags: maybe(() => Array.from({ length: integer(1, 5) }, () => identifier().replaceAll(',', '').trim())),
    replyto: maybe(identifier),
    replyfor: maybe(identifier),
    producerid: maybe(identifier),
    producerepoch: maybe(() => integer(0, 2 ** 53 - 1)),
    producerseq: maybe(() => integer(0, 2 ** 53 - 1)),
    headers: maybe(() =>
      Object.fromEntries(
        Array.from({ length: integer(1, 6) }, (_, i) => [random() < 0.2 ? `ce-ext${i}` : `h-${i}`, randomText(random).replace(/[\r\n\0]/g, '')]),
      ),
    ),
    ...randomBody(random),
  }
  const present = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
  return { id: identifier(), type: identifier(), source: identifier(), time: time(), body: '', ...present }
}

function randomBody(random: Random): Pick<Envelope, 'body' | 'datacontenttype' | 'datacontentencoding'> {
  const bytes = (): Uint8Array => Buffer.from(Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256)))
  const kind = random()
  if (kind < 0.5) return { body: JSON.stringify(randomJson(random, 3)) }
  if (kind < 0.6) return { body: bytes() }
  if (kind < 0.7) return { body: bytes(), datacontenttype: 'application/octet-stream' }
  if (kind < 0.8) return { body: randomText(random), datacontenttype: 'text/plain' }
  if (kind < 0.9) return { body: bytes(), datacontentencoding: 'gzip' }
  return { body: randomText(random) }
}
