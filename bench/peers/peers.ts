import { type BenchOptions, compared, type Row } from '../benchmark.ts'
import { inFolder } from '../folder.ts'
import { runPair } from '../processes.ts'
import { withServers } from '../servers.ts'
import { installClients } from './install.ts'

/** What Sluice is measured beside, with the settings its documentation recommends for throughput. */
interface Peer {
  readonly name: string
  /** Of tools/brokers. */
  readonly server: string
  /** Folder with its producer and consumer. */
  readonly roles: string
  /** Messages a run as a share of Sluice's: each run takes seconds, not minutes. */
  readonly share: number
  /** Batch, batches outstanding, and what the consumer takes. */
  readonly settings: readonly string[]
  /** Sluice's promised lead; undefined: for information. */
  readonly lead?: number
  readonly note: string
}

const peers: readonly Peer[] = [
  {
    name: 'Kafka 4.3.1, @platformatic/kafka',
    server: 'kafka',
    roles: 'kafka',
    share: 0.5,
    settings: ['1000', '16', '1'],
    lead: 1.9,
    note: 'one partition, acks=all (Kafka acknowledges before its disk has synced), no compression, 1,000 a send, 16 sends outstanding, string serializers, fetches of up to 4 MiB, commit each 100 ms',
  },
  {
    name: 'Redis Streams, ioredis, appendfsync always',
    server: 'redis',
    roles: 'redis-streams',
    share: 0.3,
    settings: ['1000', '8'],
    lead: 3,
    note: 'pipelines of 1,000 XADD, 8 outstanding; XREADGROUP of 1,000, XACK of 1,000 beside the next read; synced before it answers',
  },
  {
    name: 'Redis Streams, ioredis, appendfsync everysec',
    server: 'redis-everysec',
    roles: 'redis-streams',
    share: 0.3,
    settings: ['1000', '8'],
    note: 'the same; up to a second of acknowledged messages is lost with the machine',
  },
  {
    name: 'BullMQ, appendfsync everysec',
    server: 'redis-everysec',
    roles: 'bullmq',
    share: 0.05,
    settings: ['200', '4', '500'],
    lead: 14,
    note: 'addBulk of 200, 4 outstanding; one worker, concurrency 500, completed jobs removed; everysec, as its documentation recommends, is a weaker promise than Sluice makes',
  },
  {
    name: 'pg-boss',
    server: 'postgres',
    roles: 'pg-boss',
    share: 0.05,
    settings: ['2000', '2', '2'],
    lead: 25,
    note: 'insert of 2,000, 2 outstanding; two loops of fetch and complete of 2,000 (its own worker polls at most twice a second); synchronous_commit on, no maintenance beside it',
  },
]

/** A run of one peer: messages a second from the first send to the last settlement. */
async function rateOf({ roles, settings }: Peer, url: string, count: number, run: string): Promise<number> {
  const script = (role: string): URL => new URL(`./${roles}/${role}.ts`, import.meta.url)
  return (await runPair(script('producer'), script('consumer'), url, count, [`bench-${run}`, ...settings])).endToEnd
}

async function rateOfSluice(count: number): Promise<number> {
  const script = (role: string): URL => new URL(`../sluice-log/${role}.ts`, import.meta.url)
  return inFolder(async (folder) => (await runPair(script('producer'), script('consumer'), folder, count, ['many'])).endToEnd)
}

/** End to end over Sluice's file, and over each peer, in turns: same order, same validation, same machine, two processes. */
export async function besidePeers({ pairs, count }: BenchOptions): Promise<readonly Row[]> {
  installClients()
  return withServers([...new Set(peers.map(({ server }) => server))], async (running) => {
    const countOf = (peer: Peer): number => Math.max(500, Math.round((count * peer.share) / 500) * 500)
    const urlOf = (peer: Peer): string => running[peer.server]?.url ?? ''
    // Servers that compile while they run are measured warm.
    for (const peer of peers) await rateOf(peer, urlOf(peer), Math.max(500, Math.round(countOf(peer) / 2500) * 500), 'warm')
    const ours: number[] = []
    const theirs = peers.map((): number[] => [])
    for (let pair = 0; pair < pairs; pair++) {
      ours.push(await rateOfSluice(count))
      for (const [n, peer] of peers.entries()) theirs[n]?.push(await rateOf(peer, urlOf(peer), countOf(peer), String(pair)))
    }
    return peers.map((peer, n) =>
      compared(
        {
          name: `end to end, beside ${peer.name}`,
          unit: 'messages/s',
          rawName: peer.name,
          note: `${peer.note}; ${countOf(peer).toLocaleString('en')} messages a run`,
          ...(peer.lead === undefined ? {} : { target: `≥ ${peer.lead} ×` }),
        },
        ours,
        theirs[n] ?? [],
        (ratio) => peer.lead === undefined || ratio >= peer.lead,
      ),
    )
  })
}
