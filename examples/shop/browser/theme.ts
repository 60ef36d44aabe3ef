/** Light or dark: by the system until the visitor chooses. */
const stored = 'shop.theme'
const systemDark = matchMedia('(prefers-color-scheme: dark)')

/** Sets the colours and obeys the switch; `changed` redraws what does not follow CSS. */
export function startTheme(changed: () => void): void {
  const select = document.querySelector<HTMLSelectElement>('#theme')
  const apply = (): void => {
    const chosen = localStorage.getItem(stored) ?? 'system'
    document.documentElement.dataset.theme = chosen === 'system' ? (systemDark.matches ? 'dark' : 'light') : chosen
    changed()
  }
  if (select !== null) {
    select.value = localStorage.getItem(stored) ?? 'system'
    select.addEventListener('change', () => {
      localStorage.setItem(stored, select.value)
      apply()
    })
  }
  systemDark.addEventListener('change', apply)
  apply()
}

/** A colour of style.css. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}
