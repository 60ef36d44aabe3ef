/** Numbers and times for people, in the page's language. */
import { language, text } from './language.ts'

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
  const digits = (value: number): string => format(value, { maximumFractionDigits: value < 10 ? 1 : 0 })
  if (ms < 1_000) return text('unitMillisecond', { count: count(ms) })
  if (ms < 60_000) return text('unitSecond', { count: digits(ms / 1_000) })
  if (ms < 3_600_000) return text('unitMinute', { count: digits(ms / 60_000) })
  return text('unitHour', { count: digits(ms / 3_600_000) })
}

/** `4.2 ms`: response times. */
export function milliseconds(ms: number): string {
  return text('unitMillisecond', { count: rate(ms) })
}
