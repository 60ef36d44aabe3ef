/**
 * The brokers: who they are, who leads which partition, who coordinates which group. Connections are opened when they are
 * needed and shared by all that does not block; what waits on the broker (a fetch, a join) takes a connection of its own.
 */
import type { Clock, TransportReport } from '@sluice/core/transport'
import { ConnectionEnded, check, codes, KafkaError, mayRetry, moved } from '../errors.ts'
import type { Api, BrokerAddress } from '../protocol/requests/api.ts'
import { findCoordinator, metadata, saslHandshake } from '../protocol/requests/cluster.ts'
import { type Access, Connection } from './connection.ts'

/** Pauses between tries grow from the one to the other, ms. */
const pauseMsMin = 20
const pauseMsMax = 500

interface Place {
  readonly host: string
  readonly port: number
}

export class Cluster {
  readonly #bootstrap: readonly Place[]
  readonly #tunnel: Place | undefined
  readonly #access: Access
  readonly #clock: Clock
  readonly #report: (event: TransportReport) => void
  #brokers: Map<number, BrokerAddress> = new Map()
  #controller = -1
  readonly #leaders: Map<string, readonly number[]> = new Map()
  readonly #coordinators: Map<string, BrokerAddress> = new Map()
  readonly #shared: Map<number, Promise<Connection>> = new Map()
  readonly #own: Set<Connection> = new Set()
  readonly #asking: Map<string, Promise<void>> = new Map()
  readonly #pauses: Set<() => void> = new Set()
  #turn = 0
  #away = false
  #closed = false

  /** `tunnel`: where every broker is reached, whatever it says of itself. */
  constructor(bootstrap: readonly Place[], access: Access, clock: Clock, report: (event: TransportReport) => void, tunnel?: Place) {
    this.#tunnel = tunnel
    this.#bootstrap = bootstrap
    this.#access = access
    this.#clock = clock
    this.#report = report
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** One of the brokers; −1: none is known. */
  get anyId(): number {
    return this.#brokers.keys().next().value ?? -1
  }

  get clock(): Clock {
    return this.#clock
  }

  /** Reads who the brokers are; rejects with what the last of them said. */
  async open(): Promise<void> {
    await this.#metadata([])
  }

  /** Whether the first of the listeners hears only those who have said who they are (it hangs up on others without a word). */
  async asksForUser(): Promise<boolean> {
    const connection = await this.#open(this.#bootstrap[0] as Place)
    try {
      return (await connection.call(saslHandshake, { mechanism: 'PLAIN' })).error !== codes.illegalSaslState
    } finally {
      connection.end('it was for asking only')
    }
  }

  // ------------------------------------------------------------ asking

  /** A request that any broker answers. */
  async any<Ask, Answer>(api: Api<Ask, Answer>, ask: Ask): Promise<Answer> {
    const ids = [...this.#brokers.keys()]
    return (await this.node(ids[this.#turn++ % ids.length] ?? -1)).call(api, ask)
  }

  /** A request for the controller (of topics). */
  async controller<Ask, Answer>(api: Api<Ask, Answer>, ask: Ask): Promise<Answer> {
    if (!this.#brokers.has(this.#controller)) await this.#metadata([])
    return (await this.node(this.#controller)).call(api, ask)
  }

  /** A request for the coordinator of a group or a transactional id. `errorOf` finds an error of the whole answer. */
  async coordinated<Ask, Answer>(
    kind: 'group' | 'transaction',
    key: string,
    api: Api<Ask, Answer>,
    ask: Ask,
    errorOf: (answer: Answer) => number,
  ): Promise<Answer> {
    const broker = await this.coordinator(kind, key)
    try {
      const answer = await (await this.node(broker.nodeId, broker)).call(api, ask)
      if (moved(errorOf(answer))) this.#coordinators.delete(`${kind} ${key}`)
      check(errorOf(answer), api.name)
      return answer
    } catch (error) {
      if (error instanceof ConnectionEnded) this.#coordinators.delete(`${kind} ${key}`)
      throw error
    }
  }

  async coordinator(kind: 'group' | 'transaction', key: string): Promise<BrokerAddress> {
    const known = this.#coordinators.get(`${kind} ${key}`)
    if (known !== undefined) return known
    const { error, broker } = await this.any(findCoordinator, { kind, key })
    check(error, 'FindCoordinator')
    this.#coordinators.set(`${kind} ${key}`, broker)
    return broker
  }

  forgetCoordinator(kind: 'group' | 'transaction', key: string): void {
    this.#coordinators.delete(`${kind} ${key}`)
  }

  // ------------------------------------------------------------ topics

  /** Leaders of a topic's partitions, by index; asked anew when they are not known. Rejects with UNKNOWN_TOPIC_OR_PARTITION. */
  async leaders(topic: string): Promise<readonly number[]> {
    const known = this.#leaders.get(topic)
    if (known !== undefined) return known
    await this.#metadata([topic])
    const found = this.#leaders.get(topic)
    if (found === undefined) throw new KafkaError(codes.unknownTopic, 'Metadata')
    return found
  }

  /** Who led a topic's partitions does no more. */
  forgetLeaders(topic: string): void {
    this.#leaders.delete(topic)
  }

  /** Partitions of topics by who leads them. */
  async byLeader<T extends { readonly partition: number }>(topics: ReadonlyMap<string, readonly T[]>): Promise<Map<number, Map<string, T[]>>> {
    const split = new Map<number, Map<string, T[]>>()
    for (const [topic, items] of topics) {
      const leaders = await this.leaders(topic)
      for (const item of items) {
        const leader = leaders[item.partition] ?? -1
        const forLeader = split.get(leader) ?? new Map<string, T[]>()
        split.set(leader, forLeader)
        const list = forLeader.get(topic) ?? []
        forLeader.set(topic, list)
        list.push(item)
      }
    }
    return split
  }

  /** Asks each leader about its partitions, and joins the answers. Rejects with the first partition's error. */
  async atLeaders<T extends { readonly partition: number }, Ask, R extends { readonly partition: number; readonly error: number }>(
    topics: ReadonlyMap<string, readonly T[]>,
    api: Api<Ask, ReadonlyMap<string, readonly R[]>>,
    ask: (part: ReadonlyMap<string, readonly T[]>) => Ask,
  ): Promise<Map<string, R[]>> {
    const joined = new Map<string, R[]>([...topics.keys()].map((topic) => [topic, []]))
    const split = await this.byLeader(topics)
    await Promise.all(
      [...split].map(async ([leader, part]) => {
        try {
          const answer = await (await this.node(leader)).call(api, ask(part))
          for (const [topic, results] of answer) {
            for (const { error } of results) {
              if (moved(error)) this.forgetLeaders(topic)
              check(error, api.name)
            }
            joined.get(topic)?.push(...results)
          }
        } catch (error) {
          if (error instanceof ConnectionEnded) for (const topic of part.keys()) this.forgetLeaders(topic)
          throw error
        }
      }),
    )
    return joined
  }

  // ------------------------------------------------------------ connections

  /** The shared connection to a broker. */
  node(nodeId: number, address: BrokerAddress | undefined = this.#brokers.get(nodeId)): Promise<Connection> {
    if (this.#closed) return Promise.reject(new ConnectionEnded('the connection was closed'))
    const known = this.#shared.get(nodeId)
    if (known !== undefined) return known
    if (address === undefined) return Promise.reject(new ConnectionEnded('the broker is not there'))
    const forget = (): void => {
      if (this.#shared.get(nodeId) === opening) this.#shared.delete(nodeId)
    }
    const opening = this.#open(address, forget)
    opening.catch(forget)
    this.#shared.set(nodeId, opening)
    return opening
  }

  /** A connection of the caller's own, who ends it. */
  async dedicated(nodeId: number, address: BrokerAddress | undefined = this.#brokers.get(nodeId)): Promise<Connection> {
    if (address === undefined) throw new ConnectionEnded('the broker is not there')
    return this.#open(address)
  }

  /**
   * Tries again, with pauses, what may succeed soon. Rejects with the last error after `patienceMs`, when this is closed, or when
   * `isVain` says that it is not wanted any more.
   */
  async persist<T>(patienceMs: number, work: () => Promise<T>, isVain: () => boolean = () => false): Promise<T> {
    const untilMs = this.#clock.monotonicMs() + patienceMs
    for (let pauseMs = pauseMsMin; ; pauseMs = Math.min(pauseMs * 2, pauseMsMax)) {
      try {
        return await work()
      } catch (error) {
        if (!mayRetry(error) || this.#closed || this.#clock.monotonicMs() >= untilMs || isVain()) throw error
        if (error instanceof ConnectionEnded) await this.#metadata([]).catch(() => undefined)
      }
      await this.pause(pauseMs)
    }
  }

  /** Waits; at once when this is closed. */
  pause(ms: number): Promise<void> {
    if (this.#closed) return Promise.resolve()
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel()
        this.#pauses.delete(done)
        resolve()
      }
      const timer = this.#clock.setTimer(ms, done)
      this.#pauses.add(done)
    })
  }

  close(): void {
    this.#closed = true
    for (const connection of this.#own) connection.end('it was closed')
    for (const done of [...this.#pauses]) done()
  }

  async #open(place: Place, ended: () => void = () => {}): Promise<Connection> {
    const { host, port } = this.#tunnel ?? place
    const connection = await Connection.open(host, port, this.#access, this.#clock)
    if (this.#closed) {
      connection.end('it was closed')
      throw new ConnectionEnded('the connection was closed')
    }
    this.#own.add(connection)
    connection.onEnd = () => {
      this.#own.delete(connection)
      ended()
    }
    return connection
  }

  #metadata(topics: readonly string[]): Promise<void> {
    const name = topics.join()
    let asking = this.#asking.get(name)
    if (asking === undefined) {
      asking = this.#readMetadata(topics).finally(() => this.#asking.delete(name))
      this.#asking.set(name, asking)
    }
    return asking
  }

  async #readMetadata(topics: readonly string[]): Promise<void> {
    let failure: unknown
    const known = [...this.#brokers.keys()]
    for (let i = 0; i < known.length + this.#bootstrap.length; i++) {
      const nodeId = known[i]
      let connection: Connection | undefined
      try {
        const place = this.#bootstrap[i - known.length]
        connection = nodeId !== undefined ? await this.node(nodeId) : await this.#open(place as Place)
        const answer = await connection.call(metadata, { topics })
        this.#learn(answer.brokers, answer.controllerId)
        for (const { name, error, partitions } of answer.topics) {
          if (error === 0 && partitions.every(({ leader }) => leader >= 0)) this.#leaders.set(name, leadersOf(partitions))
          else this.#leaders.delete(name)
        }
        return
      } catch (error) {
        failure = error
        if (this.#closed) break
      } finally {
        if (nodeId === undefined) connection?.end('it was for asking only')
      }
    }
    if (!this.#away && this.#brokers.size > 0 && !this.#closed) {
      this.#away = true
      this.#report({ level: 'warn', message: 'no Kafka broker can be reached; trying again' })
    }
    throw failure
  }

  #learn(brokers: readonly BrokerAddress[], controller: number): void {
    this.#controller = controller
    if (brokers.length > 0) this.#brokers = new Map(brokers.map((broker) => [broker.nodeId, broker]))
    if (!this.#away) return
    this.#away = false
    this.#report({ level: 'info', message: 'connected to Kafka again' })
  }
}

function leadersOf(partitions: readonly { readonly partition: number; readonly leader: number }[]): number[] {
  const leaders: number[] = []
  for (const { partition, leader } of partitions) leaders[partition] = leader
  return leaders
}
