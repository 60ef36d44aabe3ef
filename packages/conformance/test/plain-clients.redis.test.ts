import { transport } from '@sluice/redis'
import { createClient } from 'redis'
import { eventually } from '../src/probe/probe.ts'
import { place, testPlainClients } from './plain-clients.fixture.ts'

testPlainClients({
  name: 'redis',
  transport,
  url: (run) => `${process.env.SLUICE_TEST_REDIS_URL}?prefix=plain-${run}:`,
  async plain(_url, run) {
    const client = createClient({ url: process.env.SLUICE_TEST_REDIS_URL ?? '' })
    await client.connect()
    const stream = `plain-${run}:{${place.channel}}`
    return {
      async write({ headers: { 'content-type': contentType = '', ...headers }, body }) {
        const fields: Record<string, string> = contentType.startsWith('application/cloudevents') ? { event: body } : { ...headers, data: body }
        await client.xAdd(stream, '*', fields)
      },
      async read(count) {
        const entries = await eventually(
          () => client.xRange(stream, '-', '+'),
          (list) => (list?.length ?? 0) >= count,
          `${count} entries`,
        )
        return (entries ?? []).map(({ message: { data = '', ...fields } }) => ({
          key: fields.ce_partitionkey ?? '',
          // The media type of JSON is left out, as in CloudEvents JSON.
          headers: { ce_specversion: '1.0', ...fields, 'content-type': fields.ce_datacontenttype ?? 'application/json' },
          body: data,
        }))
      },
      close: async () => client.destroy(),
    }
  },
})
