/** Numbers and times for people, in the page's language. */
import { language } from './language.ts'

const numbers = new Map<string, Intl.NumberFormat>()

function format(value: number, options: Intl.NumberFormatOptions): string {
  const name = `${language()} ${JSON.stringify(options)}`
  let made = numbers.get(name)
  if (made === undefined) {
    made = new Intl.NumberFormat(language(), options)
    numbers.set(name, made)
  }
  return made.format(value)
}

/** `12,345` */
export function count(value: number): string {
  return format(value, { maximumFractionDigits: 0 })
}

/** Rates: one decimal below 10, none above. */
export function rate(value: number): string {
  return format(value, { maximumFractionDigits: value < 10 ? 1 : 0 })
}

/** `3.2 s`, `14 min`, `2.5 h` in the page's language. */
export function duration(ms: number): string {
  const unit = (value: number, name: string, digits: number): string =>
    format(value, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: digits })
  if (ms < 1_000) return unit(ms, 'millisecond', 0)
  if (ms < 60_000) return unit(ms / 1_000, 'second', ms < 10_000 ? 1 : 0)
  if (ms < 3_600_000) return unit(ms / 60_000, 'minute', ms < 600_000 ? 1 : 0)
  return unit(ms / 3_600_000, 'hour', 1)
}

/** `4.2 ms`: response times. */
export function milliseconds(ms: number): string {
  return format(ms, { style: 'unit', unit: 'millisecond', unitDisplay: 'short', maximumFractionDigits: ms < 10 ? 1 : 0 })
}
