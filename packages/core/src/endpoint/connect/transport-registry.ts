import { redactUrl, SluiceError } from '../../errors/index.ts'
import type { Transport, TransportContext, TransportFactory } from '../../transport/index.ts'

/** The transports that can be opened, by URL scheme; the first that knows a scheme opens it. */
export class TransportRegistry {
  readonly #byScheme: Map<string, TransportFactory> = new Map()

  constructor(factories: readonly TransportFactory[]) {
    for (const factory of factories) {
      for (const scheme of factory.schemes) if (!this.#byScheme.has(scheme)) this.#byScheme.set(scheme, factory)
    }
  }

  /** @throws SluiceError UNKNOWN_TRANSPORT, and whatever the transport refuses with. */
  open(url: string, context: TransportContext): Promise<Transport> {
    const scheme = url.slice(0, url.indexOf(':')).toLowerCase()
    const factory = this.#byScheme.get(scheme)
    if (factory === undefined) {
      const known = [...this.#byScheme.keys()].map((name) => `${name}:`).join(', ')
      return Promise.reject(
        new SluiceError('UNKNOWN_TRANSPORT', `no transport is installed for ${redactUrl(url)}`, {
          fix: `Known here: ${known}. ${scheme === 'file' ? "Import connect from 'sluice', which brings the embedded engine" : 'Install the package of that transport and pass its factory in connect({ transports })'}`,
          details: { scheme },
        }),
      )
    }
    return factory.open(url, context)
  }
}
