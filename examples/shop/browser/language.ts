/** The page's language: what the visitor chose, else what the browser prefers, else what the shop was started with. */
import type { TextKey } from '../src/text/en.ts'

type Texts = Readonly<Record<TextKey, string>>

const stored = 'shop.language'
const loaders: Readonly<Record<string, () => Promise<Texts>>> = {
  en: async () => (await import('../src/text/en.ts')).en,
  zh: async () => (await import('../src/text/zh.ts')).zh,
}
let current = 'en'
let texts: Texts | undefined

function preferred(): string {
  const chosen = localStorage.getItem(stored)
  if (chosen !== null && chosen in loaders) return chosen
  const started = document.documentElement.dataset.language
  if (started === 'zh') return 'zh'
  return navigator.languages.some((name) => name.startsWith('zh')) && !navigator.languages[0]?.startsWith('en') ? 'zh' : 'en'
}

/** `en` or `zh`. */
export function language(): string {
  return current
}

/** A text with its places filled. */
export function text(key: TextKey, values: Readonly<Record<string, string | number>> = {}): string {
  return (texts?.[key] ?? key).replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place))
}

async function use(name: string): Promise<void> {
  texts = await loaders[name]?.()
  current = name
  document.documentElement.lang = name === 'zh' ? 'zh-CN' : 'en'
  document.title = text('title')
  for (const element of document.querySelectorAll<HTMLElement>('[data-text]')) element.textContent = text(element.dataset.text as TextKey)
}

/** Loads the texts and obeys the switch; `changed` redraws everything else. */
export async function startLanguage(changed: () => void): Promise<void> {
  const select = document.querySelector<HTMLSelectElement>('#language')
  await use(preferred())
  if (select === null) return
  select.value = current
  select.addEventListener('change', async () => {
    localStorage.setItem(stored, select.value)
    await use(select.value)
    changed()
  })
}
