import { after } from 'node:test'
import { Rig } from '@sluice/conformance'
import { newId } from '@sluice/core/transport'
import { transport } from '@sluice/kafka'
import { type Admin, Kafka, logLevel } from 'kafkajs'

const { SLUICE_TEST_KAFKA_URL: server = '' } = process.env
/** A session that is short enough to wait for; the broker must allow it (group.min.session.timeout.ms). */
export const sessionMs: number = 2_500
const prefixes: string[] = []

// All at once when the file is through: with ten thousand partitions of earlier runs a broker needs seconds for everything.
after(async () => {
  if (prefixes.length === 0) return
  await withAdmin(async (admin) => {
    const topics = (await admin.listTopics()).filter((topic) => prefixes.some((prefix) => topic.startsWith(prefix)))
    await admin.deleteTopics({ topics })
  })
})

/** A place on the test server under a prefix of its own, whose topics go when the file is through. */
export function kafkaPlace(): { readonly url: string; readonly prefix: string } {
  const prefix = `case-${newId()}.`
  prefixes.push(prefix)
  return { url: `${server}?prefix=${prefix}`, prefix }
}

/** A rig on a place of its own; `kafka`: further options of the transport. */
export function kafkaRig({ url, kafka = {} }: { readonly url: string; readonly kafka?: object } = kafkaPlace()): Rig {
  return new Rig({ factory: transport, url, options: { kafka: { sessionMs, ...kafka } } })
}

/** What a person does with another client. */
export async function withAdmin<T>(work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ brokers: [new URL(server).host], logLevel: logLevel.NOTHING }).admin()
  await admin.connect()
  return await work(admin).finally(() => admin.disconnect())
}
