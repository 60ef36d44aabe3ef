import { readFileSync } from 'node:fs'
import { SluiceError } from '../errors/index.ts'
import type { TransportContext } from './transport.ts'

/** Which options a transport has. */
export interface OptionNames {
  /** Its own name in `transportOptions`, e.g. `kafka`. */
  readonly key: string
  /** Of all options. */
  readonly names: readonly string[]
  /** Those that may stand in the URL's query, where one SLUICE_URL is to be enough: name there → name of the option. */
  readonly inUrl: Readonly<Record<string, string>>
}

/**
 * What a user gave a transport: `connect({ transportOptions: { <key>: { … } } })`, and below it the URL's query (an option outranks the
 * URL). Everything throws INVALID_OPTION, with the option's name and no value that could be a secret.
 */
export class GivenOptions {
  readonly #key: string
  readonly #values: Map<string, unknown> = new Map()
  /** Came as text, whatever it is to be. */
  readonly #fromUrl: Set<string> = new Set()

  /** Throws where a name is unknown, and says which there are. */
  constructor({ key, names, inUrl }: OptionNames, query: Iterable<readonly [name: string, value: string]>, context: Pick<TransportContext, 'options'>) {
    this.#key = key
    for (const [name, value] of query) {
      const option = Object.hasOwn(inUrl, name) ? inUrl[name] : undefined
      if (option === undefined)
        throw new SluiceError('INVALID_OPTION', `${key}: the URL's query may not hold "${name}"`, { fix: `It may hold: ${Object.keys(inUrl).join(', ')}` })
      this.#values.set(option, value)
      this.#fromUrl.add(option)
    }
    const given = context.options[key] ?? {}
    if (typeof given !== 'object') throw new SluiceError('INVALID_OPTION', `transportOptions.${key} must be an object of options`)
    for (const [name, value] of Object.entries(given)) {
      if (!names.includes(name)) throw new SluiceError('INVALID_OPTION', `there is no option ${key}.${name}`, { fix: `There are: ${names.join(', ')}` })
      if (value === undefined) continue
      this.#values.set(name, value)
      this.#fromUrl.delete(name)
    }
  }

  /** A whole number from `min` to `max`. */
  integer(name: string, fallback: number, min: number, max: number): number {
    const value = this.#values.get(name)
    if (value === undefined) return fallback
    const number = this.#fromUrl.has(name) && /^-?\d{1,15}$/.test(String(value)) ? Number(value) : value
    if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) return number
    throw this.#refused(name, `a whole number from ${min} to ${max}`)
  }

  /** One of several words; without it the first. */
  choice<const T extends string>(name: string, choices: readonly [T, ...T[]]): T {
    const value = this.#values.get(name)
    if (value === undefined) return choices[0]
    const found = choices.find((choice) => choice === value)
    if (found === undefined) throw this.#refused(name, `one of ${choices.join(', ')}`)
    return found
  }

  /** `what`: which text it must be, for people. */
  text(name: string, pattern: RegExp, what: string): string | undefined {
    const value = this.#values.get(name)
    if (value === undefined || (typeof value === 'string' && pattern.test(value))) return value
    throw this.#refused(name, what)
  }

  /** True or false; without it false. */
  flag(name: string): boolean {
    const value = this.#values.get(name) ?? false
    if (typeof value === 'boolean') return value
    throw this.#refused(name, 'true or false')
  }

  /** `password`, or the first line of the file that `passwordFile` names; undefined: neither is given. */
  password(): string | undefined {
    const password = this.text('password', /^/, 'text')
    return this.#values.has('passwordFile') ? this.#file('passwordFile').replace(/\r?\n$/, '') : password
  }

  /** Options of node:tls: what `tls` holds, and `ca`, `cert` and `key` from the PEM files whose paths are given. */
  tls(): Readonly<Record<string, unknown>> {
    const tls = this.#values.get('tls') ?? {}
    if (typeof tls !== 'object') throw this.#refused('tls', 'an object of options for node:tls')
    const files = (['ca', 'cert', 'key'] as const).flatMap((name) => (this.#values.has(name) ? [[name, this.pem(name)?.text] as const] : []))
    return { ...(tls as Readonly<Record<string, unknown>>), ...Object.fromEntries(files) }
  }

  /** A file in PEM form that can be read. (OpenSSL takes a file without a certificate for one that trusts nobody.) */
  pem(name: 'ca' | 'cert' | 'key'): { readonly path: string; readonly text: string } | undefined {
    const path = this.#values.get(name)
    if (path === undefined) return undefined
    const text = this.#file(name)
    if (!text.includes('-----BEGIN '))
      throw new SluiceError('INVALID_OPTION', `the file ${path} that ${this.#key}.${name} names holds nothing in PEM form`, {
        fix: 'Name a file that has -----BEGIN … in it',
      })
    return { path: String(path), text }
  }

  #file(name: string): string {
    const path = this.#values.get(name)
    if (typeof path !== 'string') throw this.#refused(name, 'the path of a file')
    try {
      return readFileSync(path, 'utf8')
    } catch (cause) {
      throw new SluiceError('INVALID_OPTION', `the file ${path} that ${this.#key}.${name} names cannot be read`, {
        cause,
        fix: 'Correct its path, or the rights of the file',
      })
    }
  }

  #refused(name: string, what: string): SluiceError {
    return new SluiceError('INVALID_OPTION', `${this.#key}.${name} must be ${what}`)
  }
}
