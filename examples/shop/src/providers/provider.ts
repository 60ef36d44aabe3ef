/**
 * Stand-ins for the companies outside: a bank, a courier, an SMS gateway. Each answers after a fixed latency and keeps
 * its own ledger by idempotency key, as real ones do, in a file that belongs to none of the services: what it did twice
 * would stand there.
 */
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'

/** Latency of each provider, ms. The same in both modes. */
export interface ProviderLatencies {
  readonly payment: number
  readonly courier: number
  readonly sms: number
}

/** The figures that the page states. */
export const standardLatencies: ProviderLatencies = { payment: 180, courier: 150, sms: 120 }

/** A provider outside. */
export interface Provider {
  /** Does `what` over `amount` once for each `key`; a second call with the same key does nothing and answers as the first. */
  perform(key: string, what: string, amount: number): Promise<void>
}

/** The three of them. */
export interface Providers extends Disposable {
  readonly bank: Provider
  readonly courier: Provider
  readonly sms: Provider
}

/** Name of a provider's ledger file in the run's folder. */
export function ledgerFile(name: 'bank' | 'courier' | 'sms'): string {
  return `provider-${name}.db`
}

class SimulatedProvider implements Provider, Disposable {
  readonly #db: DatabaseSync
  readonly #latencyMs: () => number
  #waiting: { key: string; what: string; amount: number; done: () => void; failed: (error: unknown) => void }[] = []

  constructor(path: string, latencyMs: () => number) {
    this.#latencyMs = latencyMs
    this.#db = new DatabaseSync(path)
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000')
    this.#db.exec(
      'CREATE TABLE IF NOT EXISTS performed (key TEXT PRIMARY KEY, what TEXT NOT NULL, amount INTEGER NOT NULL, calls INTEGER NOT NULL) WITHOUT ROWID',
    )
  }

  async perform(key: string, what: string, amount: number): Promise<void> {
    const latencyMs = this.#latencyMs()
    if (latencyMs > 0) await sleep(latencyMs)
    await new Promise<void>((done, failed) => {
      this.#waiting.push({ key, what, amount, done, failed })
      if (this.#waiting.length === 1) setImmediate(() => this.#write())
    })
  }

  // Calls that end in the same tick share a transaction: the provider is not what is measured here.
  #write(): void {
    const batch = this.#waiting
    this.#waiting = []
    try {
      const insert = this.#db.prepare('INSERT INTO performed (key, what, amount, calls) VALUES (?, ?, ?, 1) ON CONFLICT (key) DO UPDATE SET calls = calls + 1')
      this.#db.exec('BEGIN IMMEDIATE')
      for (const { key, what, amount } of batch) insert.run(key, what, amount)
      this.#db.exec('COMMIT')
      for (const call of batch) call.done()
    } catch (error) {
      if (this.#db.isOpen && this.#db.isTransaction) this.#db.exec('ROLLBACK')
      for (const call of batch) call.failed(error)
    }
  }

  [Symbol.dispose](): void {
    if (this.#db.isOpen) this.#db.close()
  }
}

/** Opens the simulated providers with their ledgers in `folder`; `latencies` is read at each call. A service opens the one it uses on its first call. */
export function simulatedProviders(folder: string, latencies: ProviderLatencies): Providers {
  const open: SimulatedProvider[] = []
  const lazily = (name: 'bank' | 'courier' | 'sms', latencyMs: () => number): Provider => {
    let provider: SimulatedProvider | undefined
    return {
      perform(key, what, amount) {
        if (provider === undefined) {
          provider = new SimulatedProvider(`${folder}/${ledgerFile(name)}`, latencyMs)
          open.push(provider)
        }
        return provider.perform(key, what, amount)
      },
    }
  }
  return {
    bank: lazily('bank', () => latencies.payment),
    courier: lazily('courier', () => latencies.courier),
    sms: lazily('sms', () => latencies.sms),
    [Symbol.dispose]: () => {
      for (const provider of open) provider[Symbol.dispose]()
    },
  }
}
