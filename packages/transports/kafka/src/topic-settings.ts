/** Topics that somebody else made, or changed: whether what Sluice promises can be kept on them. */
import { SluiceError } from '@sluice/core/transport'
import { KafkaError } from './errors.ts'
import { type KafkaBus, report } from './kafka-bus.ts'
import { describeConfigs } from './protocol/requests/cluster.ts'

const names = ['cleanup.policy', 'retention.ms', 'retention.bytes', 'message.timestamp.type']

/** Throws TOPOLOGY_CONFLICT for a topic that loses messages by its settings; says what weakens it. `keep`: only what all groups have accepted may go. */
export async function checkSettings(bus: Pick<KafkaBus, 'cluster' | 'context'>, topic: string, keep: boolean): Promise<void> {
  let settings: ReadonlyMap<string, string | null>
  try {
    const { error, values } = await bus.cluster.any(describeConfigs, { kind: 'topic', resource: topic, names })
    // Without the right to ask nothing is known.
    if (error !== 0) return
    settings = values
  } catch (error) {
    if (error instanceof KafkaError) return
    throw error
  }
  if (settings.get('cleanup.policy')?.includes('compact') === true)
    throw conflict(
      `topic ${topic} is compacted: of the messages of a key only the last is kept`,
      `Set cleanup.policy=delete for topic ${topic}, or give the channel another name or prefix`,
    )
  const [ms, bytes] = [Number(settings.get('retention.ms') ?? -1), Number(settings.get('retention.bytes') ?? -1)]
  if (keep && (ms >= 0 || bytes >= 0))
    report(
      bus,
      'warn',
      `topic ${topic} keeps messages for ${ms >= 0 ? `${Math.round(ms / 3_600_000)} hours` : `${bytes} bytes a partition`}, whether or not every group has had them; retention.ms=-1 and retention.bytes=-1 leave it to Sluice`,
    )
}

/** What is there does not fit, and a person must decide. */
export function conflict(message: string, fix: string): SluiceError {
  return new SluiceError('TOPOLOGY_CONFLICT', message, { fix })
}

/** Fewer or more partitions than keys were placed in: throws, or says so. */
export function checkPartitions(bus: Pick<KafkaBus, 'context'>, topic: string, found: number, known: number): void {
  if (found < known)
    throw conflict(
      `topic ${topic} has ${found} partitions, and the bus knows ${known}: messages of the others would be lost`,
      `Somebody made topic ${topic} anew; make it with ${known} partitions, or choose another prefix`,
    )
  if (found > known)
    report(
      bus,
      'error',
      `topic ${topic} has ${found} partitions, and the bus knows ${known}`,
      conflict(
        `what others write to partitions ${known} to ${found - 1} of topic ${topic} is not read: a key stays where it was placed first`,
        `Let other programs write to partitions 0 to ${known - 1}, or move to a channel with ${found} partitions`,
      ),
    )
}
