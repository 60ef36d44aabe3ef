import { en, type TextKey } from './en.ts'
import { zh } from './zh.ts'

export type { TextKey } from './en.ts'

/** A language of the shop. */
export type Language = 'en' | 'zh'

/** Looks a text up and fills its `{places}`. */
export type Text = (key: TextKey, values?: Readonly<Record<string, string | number>>) => string

/** The texts of all languages. */
export const texts: Readonly<Record<Language, Readonly<Record<TextKey, string>>>> = { en, zh }

/** The texts of one language. */
export function textOf(language: Language): Text {
  return (key, values = {}) => fill(texts[language][key], values)
}

function fill(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place))
}

/** The language that the environment asks for; English unless it is Chinese. */
export function languageOf(environment: Readonly<Record<string, string | undefined>>): Language {
  return /^zh/i.test(environment.LC_ALL ?? environment.LC_MESSAGES ?? environment.LANG ?? '') ? 'zh' : 'en'
}
