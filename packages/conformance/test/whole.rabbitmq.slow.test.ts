import { conformance } from '@sluice/conformance'
import { rabbitmqFaultOptions, rabbitmqOptions } from './rabbitmq-options.ts'

const { server = rabbitmqOptions.server } = rabbitmqFaultOptions()

/** A virtual host of a case's own, on a server of this file's own. */
async function url(): Promise<{ readonly url: string; readonly dispose?: () => Promise<void> }> {
  const place = await server?.()
  return { url: place?.url ?? '', dispose: async () => place?.down() }
}

// What every day's run makes short.
conformance({ ...rabbitmqOptions, url, size: 'what is shortened', parts: ['transport', 'bus'], concurrency: 1 })
