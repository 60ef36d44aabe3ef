import { parseArgs } from 'node:util'
import { invoicesTotal } from './rules/input.ts'
import { type Language, languageOf } from './text/index.ts'

/** What the shop was told on its command line. */
export interface Options {
  /** Orders to play. Default: all 25,900 (with `--compare`: 200 in each of the four measurements). */
  readonly orders: number | undefined
  readonly once: boolean
  readonly json: boolean
  readonly chaos: boolean
  /** Seed of the killings. Default: random, printed. */
  readonly seed: number
  readonly compare: boolean
  /** Port of the page. Default 8080, or a free one if that is taken. */
  readonly port: number
  /** `--bus`, else SLUICE_URL, else undefined: a new file in the run's folder. */
  readonly busUrl: string | undefined
  /** Orders a second that the page plays. Default 40. */
  readonly pace: number
  /** Keep the run's files even when all is well. */
  readonly keep: boolean
  readonly language: Language
}

/** Said by `--help`, and below the complaint about a wrong option. */
export const usage = `usage: npm start -- [options]

  (nothing)         the page, and the ${invoicesTotal.toLocaleString('en')} orders played at a visible pace
  --once            no page: play the orders, audit the books, end (exit 1 when they do not balance)
  --compare         no page: the order API's response times over messages and over a synchronous chain

  --orders N        how many orders (default: all; with --compare 200 each)
  --json            the result as one JSON object on the last line
  --chaos           with --once: kill -9 services at random moments
  --seed N          the seed of those moments (default: random, printed)
  --pace N          orders a second on the page (default 40)
  --port N          port of the page (default 8080, or a free one)
  --bus URL         another bus: amqp://…, redis://…, file:… (default: SLUICE_URL, else a new file of this run)
  --keep            keep the run's files
  --lang en|zh      language of the terminal and of the page (default: by LANG)

  npm start -- --orders 2000 --once --json
  npm start -- --orders 2000 --once --chaos --seed 7
  npm start -- --compare
`

/** A wrong option; the message says which. */
export class UsageError extends Error {}

/** Reads the command line. Throws {@link UsageError}. Returns undefined when help was asked for. */
export function readOptions(argv: readonly string[], environment: Readonly<Record<string, string | undefined>>): Options | undefined {
  const { values } = parse(argv)
  if (values.help) return undefined
  if (values.chaos && !values.once) throw new UsageError('--chaos needs --once: on the page, stop services with its buttons')
  if (values.once && values.compare) throw new UsageError('--once and --compare exclude each other')
  if (values.lang !== undefined && values.lang !== 'en' && values.lang !== 'zh') throw new UsageError('--lang is en or zh')
  return {
    orders: values.orders === undefined ? undefined : wholeNumber('--orders', values.orders, 1, invoicesTotal),
    once: values.once,
    json: values.json,
    chaos: values.chaos,
    seed: values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : wholeNumber('--seed', values.seed, 0, 2 ** 32 - 1),
    compare: values.compare,
    port: wholeNumber('--port', values.port ?? '8080', 0, 65_535),
    busUrl: values.bus ?? (environment.SLUICE_URL || undefined),
    pace: wholeNumber('--pace', values.pace ?? '40', 1, 1_000),
    keep: values.keep,
    language: values.lang ?? languageOf(environment),
  }
}

function parse(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        orders: { type: 'string' },
        once: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        chaos: { type: 'boolean', default: false },
        seed: { type: 'string' },
        compare: { type: 'boolean', default: false },
        port: { type: 'string' },
        bus: { type: 'string' },
        pace: { type: 'string' },
        keep: { type: 'boolean', default: false },
        lang: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function wholeNumber(option: string, text: string, least: number, most: number): number {
  const number = Number(text)
  if (!/^\d+$/.test(text) || number < least || number > most)
    throw new UsageError(`${option} is a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`)
  return number
}
