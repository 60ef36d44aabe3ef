import { conformance } from '@sluice/conformance'
import { kafkaFaultOptions, kafkaOptions } from './kafka-options.ts'

const { server = kafkaOptions.server } = kafkaFaultOptions()

/** Topics of a case's own, on a server of this file's own. */
async function url(): Promise<{ readonly url: string }> {
  return { url: (await server?.())?.url ?? '' }
}

// What every day's run makes short.
conformance({ ...kafkaOptions, url, size: 'what is shortened', parts: ['transport', 'bus'], concurrency: 1 })
