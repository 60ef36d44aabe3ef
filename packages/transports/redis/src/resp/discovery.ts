/**
 * Finds the server that holds a bus's keys: the one that the URL names, the primary of several that it names, the one that
 * Sentinels call the primary, or the node of a cluster that has their slot. Asked anew whenever the connection is lost.
 */
import { type Clock, SluiceError } from '@sluice/core/transport'
import type { Place, RedisTarget } from '../options.ts'
import { Commands } from './command.ts'
import { Connection, ConnectionEnded } from './connection.ts'
import { RedisError, type Reply } from './reply.ts'

/** From one node of a cluster to the next that it names, at most. */
const hopsMax = 4

/** A connection to the right server. */
export interface Found {
  readonly connection: Connection
  /** Number that the server gave it (CLIENT ID), to unblock it; 0: unknown. */
  readonly clientId: number
  /** Of this start of this server; '': it does not tell. */
  readonly runId: string
  readonly place: Place
  readonly cluster: boolean
}

export class Discovery {
  readonly #target: RedisTarget
  readonly #clock: Clock
  readonly #name: string
  // Where it was last, and what other nodes of the cluster there are: the URL may name one only.
  #last: Place | undefined
  #nodes: readonly Place[] = []

  /** `name` tells the connection apart in CLIENT LIST. */
  constructor(target: RedisTarget, clock: Clock, name: string) {
    this.#target = target
    this.#clock = clock
    this.#name = name.replace(/[^!-~]/g, '_')
  }

  /** Rejects with what the first place said that could be reached, or why none could. */
  async connect(): Promise<Found> {
    let refusal: unknown
    for (const place of await this.#candidates()) {
      try {
        const found = await this.#follow(place)
        this.#last = found.place
        return found
      } catch (error) {
        if (!(refusal instanceof RedisError || refusal instanceof SluiceError)) refusal = error
      }
    }
    throw refusal
  }

  async #candidates(): Promise<readonly Place[]> {
    const { hosts, master } = this.#target
    if (master !== undefined) return [await this.#askSentinels(master)]
    const all = this.#last === undefined ? hosts : [this.#last, ...hosts, ...this.#nodes]
    return all.filter((place, n) => all.findIndex((other) => same(other, place)) === n)
  }

  /** From a node of a cluster to the one that has the slot. */
  async #follow(from: Place): Promise<Found> {
    let place = from
    for (let hops = 0; hops < hopsMax; hops++) {
      const found = await this.#visit(place)
      if ('connection' in found) return found
      place = found
    }
    throw new ConnectionEnded('the nodes of the cluster send us to one another')
  }

  /** A connection that can be used, or where to go instead. */
  async #visit(place: Place): Promise<Found | Place> {
    const connection = await this.#open(place)
    try {
      const { clientId, info } = await this.#introduce(connection)
      if (field(info, 'redis_mode') === 'sentinel')
        throw new SluiceError('INVALID_OPTION', `${shown(place)} is a Sentinel`, { fix: 'Name what it watches: redis://sentinel:26379?master=mymaster' })
      const cluster = field(info, 'cluster_enabled') === '1'
      if (cluster) {
        const elsewhere = await this.#slotElsewhere(connection, place)
        if (elsewhere !== undefined) {
          connection.end('the slot is elsewhere')
          return elsewhere
        }
      } else if (field(info, 'role') === 'slave') {
        throw new SluiceError('UNSUPPORTED', 'this server is a replica', { fix: 'Give the URL of the primary' })
      }
      return { connection, clientId, runId: field(info, 'run_id') ?? '', place, cluster }
    } catch (error) {
      connection.end('it could not be used')
      throw error
    }
  }

  #open(place: Place): Promise<Connection> {
    return Connection.open({ ...this.#target, ...place }, this.#clock)
  }

  // In one write: a machine that is busy reconnects in one go.
  async #introduce(connection: Connection): Promise<{ readonly clientId: number; readonly info: string }> {
    const { username, password, database } = this.#target
    const commands = new Commands()
    if (password !== undefined) commands.add('AUTH', ...(username === undefined ? [password] : [username, password]))
    if (database !== 0) commands.add('SELECT', database)
    commands.add('PING')
    const needed = commands.replies
    // An ACL user may lack these; then there is no name in CLIENT LIST, and a blocked read ends by its own time-out.
    commands.add('CLIENT', 'SETNAME', this.#name).add('CLIENT', 'ID').add('INFO')
    const replies = await connection.answers(commands)
    const [id, info] = replies.slice(-2)
    // A Sentinel knows no password and no database: what it is matters more.
    const told = typeof info === 'string' ? info : ''
    if (field(told, 'redis_mode') !== 'sentinel') for (const reply of replies.slice(0, needed)) if (reply instanceof RedisError) throw reply
    return { clientId: typeof id === 'number' ? id : 0, info: told }
  }

  /** Asks for a key of ours; learns the other nodes where the user may know them. */
  async #slotElsewhere(connection: Connection, here: Place): Promise<Place | undefined> {
    const [slots, moved] = await connection.answers(new Commands().add('CLUSTER', 'SLOTS').add('EXISTS', this.#target.clusterKey))
    if (Array.isArray(slots)) this.#nodes = nodesOf(slots, here)
    if (!(moved instanceof RedisError)) return undefined
    const to = /^MOVED \d+ (.*):(\d+)$/.exec(moved.message)
    if (to === null) throw moved
    return { host: to[1] === '' ? here.host : String(to[1]), port: Number(to[2]) }
  }

  async #askSentinels(master: string): Promise<Place> {
    let refusal: unknown
    for (const place of this.#target.hosts) {
      try {
        const connection = await this.#open(place)
        try {
          const address = await this.#primaryOf(connection, master)
          if (address !== undefined) return address
          refusal = new SluiceError('INVALID_OPTION', `the Sentinel ${shown(place)} watches nothing of the name ${master}`, {
            fix: 'Correct master=… in the URL, or the hosts: they must be Sentinels',
          })
        } finally {
          connection.end('it has said where to go')
        }
      } catch (error) {
        refusal ??= error
      }
    }
    throw refusal
  }

  async #primaryOf(connection: Connection, master: string): Promise<Place | undefined> {
    const { username, password } = this.#target
    const ask = new Commands().add('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master)
    let [address] = await connection.answers(ask)
    if (address instanceof RedisError && address.kind === 'NOAUTH' && password !== undefined) {
      const login = new Commands().add('AUTH', ...(username === undefined ? [password] : [username, password]))
      address = (await connection.answers(login.add('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', master)))[1]
    }
    if (address instanceof RedisError && address.kind !== 'ERR') throw address
    return Array.isArray(address) ? { host: String(address[0]), port: Number(address[1]) } : undefined
  }
}

/** Masters and replicas of CLUSTER SLOTS. A node that does not know its own name is where it was asked. */
function nodesOf(slots: readonly Reply[], here: Place): Place[] {
  return slots.flatMap((range) =>
    (Array.isArray(range) ? range.slice(2) : []).map(
      ([host, port]): Place => ({ host: typeof host === 'string' && host !== '' ? host : here.host, port: Number(port) }),
    ),
  )
}

function field(info: string, name: string): string | undefined {
  return new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
}

function same(a: Place, b: Place): boolean {
  return a.host === b.host && a.port === b.port
}

function shown({ host, port }: Place): string {
  return `${host}:${port}`
}
