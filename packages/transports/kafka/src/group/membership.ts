/**
 * Membership by Kafka's own group protocol, cooperative: who joins says what it owns and keeps it; what should move is
 * drained first and given up by joining again without it. The broker refuses commits of members that are not of the
 * present generation, and forgets who is silent for the session time-out.
 */
import { ConnectionEnded, check, codes, KafkaError, mayRetry, toSluice } from '../errors.ts'
import { type KafkaBus, report } from '../kafka-bus.ts'
import type { Connection } from '../link/connection.ts'
import { heartbeat, type Joined, joinGroup, leaveGroup, type MemberOf, syncGroup } from '../protocol/requests/groups.ts'
import { type Assignment, type MemberWord, plan } from './plan.ts'

const protocolType = 'sluice'
const protocol = 'sluice-1'
/** How long the others may take to join again; they do so within a heartbeat, ms. */
const rebalanceMs = 30_000
/** After something has changed in a group, more is likely: the first heartbeats come so soon, ms. */
const soonMs = [0, 40, 120, 300]

/** What membership needs of its consumer. */
export interface MembershipHome {
  readonly bus: KafkaBus
  readonly groupId: string
  readonly partitions: number
  readonly types: readonly string[]
  wants(): Readonly<Record<number, string>>
  owned(): readonly number[]
  assigned(assignment: Assignment): void
  /** All that was owned is lost. */
  fenced(): void
}

/** See the header of this file. */
export class Membership {
  readonly #home: MembershipHome
  #member = ''
  #generation = -1
  #connection: Connection | undefined
  #state: 'joining' | 'stable' | 'closed' = 'joining'
  #rejoin = false
  #soon: number[] = []
  #wake: () => void = () => {}
  #running: Promise<void> = Promise.resolve()
  #waiting: (() => void)[] = []
  #beating: (() => void)[] = []
  /** When the last answered request of the group's was sent, monotonic ms. */
  #aliveMs: number

  constructor(home: MembershipHome) {
    this.#home = home
    this.#aliveMs = home.bus.cluster.clock.monotonicMs()
  }

  /** Who settles. Meaningless before the first {@link settled}. */
  get member(): MemberOf {
    return { group: this.#home.groupId, generation: this.#generation, member: this.#member }
  }

  /** Makes itself known to the coordinator; the rest goes on by itself. */
  async start(): Promise<void> {
    const { cluster } = this.#home.bus
    await cluster.persist(15_000, async () => {
      await this.#connect()
      const joined = await this.#ask('')
      if (joined.error !== codes.memberIdRequired) check(joined.error, 'JoinGroup')
      this.#member = joined.member
    })
    this.#running = this.#run()
  }

  /** Whether the broker may have taken it for dead meanwhile. */
  get overdue(): boolean {
    const { cluster, options } = this.#home.bus
    return this.#generation >= 0 && cluster.clock.monotonicMs() - this.#aliveMs > options.sessionMs * 0.8
  }

  /** Joins again, because something changed that the others must hear of. */
  rejoin(): void {
    this.#rejoin = true
    this.#wake()
  }

  /** Somebody came or went: the broker will say so soon. */
  nudge(): void {
    this.#soon = [...soonMs]
    this.#wake()
  }

  /** Resolves when it is a member of a generation other than `than`, or is none any more. */
  async settled(than: number): Promise<void> {
    while (this.#state !== 'closed' && (this.#state === 'joining' || this.#generation === than)) {
      this.nudge()
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** Resolves after an answer to something that was asked after this call. */
  async confirm(): Promise<void> {
    if (this.#state === 'closed') return
    const asked = new Promise<void>((resolve) => this.#beating.push(resolve))
    this.nudge()
    await asked
  }

  /** Leaves; `quietly`: as if it had died. */
  async leave(quietly: boolean): Promise<void> {
    const { bus, groupId } = this.#home
    const { cluster } = bus
    this.#close()
    this.#connection?.end('it was closed')
    if (!quietly && this.#member !== '' && !cluster.isClosed)
      await cluster.coordinated('group', groupId, leaveGroup, { group: groupId, member: this.#member }, ({ error }) => error).catch(() => undefined)
    await this.#running
  }

  #close(): void {
    this.#state = 'closed'
    this.#wake()
    this.#tell()
    for (const resolve of this.#beating.splice(0)) resolve()
  }

  #tell(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  get #isClosed(): boolean {
    return this.#state === 'closed' || this.#home.bus.cluster.isClosed
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        this.#state = 'joining'
        this.#rejoin = false
        const assignment = await this.#join()
        if (this.#isClosed) return
        this.#state = 'stable'
        this.#soon = soonMs.slice(2)
        this.#home.assigned(assignment)
        this.#tell()
        await this.#stay()
      } catch (error) {
        if (this.#isClosed) return
        await this.#stumbled(error)
      }
    }
  }

  async #stumbled(error: unknown): Promise<void> {
    const { bus, groupId } = this.#home
    const { cluster, options } = { cluster: bus.cluster, options: bus.options }
    if (error instanceof KafkaError && fencing.includes(error.code)) {
      if (error.code !== codes.illegalGeneration) this.#member = ''
      this.#lose()
      return
    }
    if (error instanceof KafkaError && (error.code === codes.memberIdRequired || error.code === codes.rebalanceInProgress)) return
    if (error instanceof ConnectionEnded || (error instanceof KafkaError && mayRetry(error))) {
      cluster.forgetCoordinator('group', groupId)
      this.#connection?.end('it is of no use')
      // Nobody answered for as long as the broker waits: the partitions are others' by now.
      if (cluster.clock.monotonicMs() - this.#aliveMs > options.sessionMs) this.#lose()
    } else report(bus, 'error', `group ${groupId} cannot be joined`, toSluice(error, 'joining a group'))
    await cluster.pause(mayRetry(error) ? 50 : 1_000)
  }

  #lose(): void {
    this.#generation = -1
    this.#aliveMs = this.#home.bus.cluster.clock.monotonicMs()
    this.#home.fenced()
    for (const resolve of this.#beating.splice(0)) resolve()
  }

  async #connect(): Promise<Connection> {
    const { cluster } = this.#home.bus
    if (this.#connection?.isOpen === true) return this.#connection
    const broker = await cluster.coordinator('group', this.#home.groupId)
    this.#connection = await cluster.dedicated(broker.nodeId, broker)
    if (this.#isClosed) this.#connection.end('it was closed')
    return this.#connection
  }

  async #ask(member: string): Promise<Joined> {
    const { bus, groupId, types } = this.#home
    const word: MemberWord = { generation: this.#generation, owned: this.#home.owned(), types }
    const metadata = Buffer.from(JSON.stringify(word))
    const { sessionMs } = bus.options
    return (await this.#connect()).call(joinGroup, { group: groupId, sessionMs, rebalanceMs, member, type: protocolType, protocol, metadata }, rebalanceMs)
  }

  async #join(): Promise<Assignment> {
    const { groupId, partitions } = this.#home
    await this.#connect()
    const sentMs = this.#home.bus.cluster.clock.monotonicMs()
    const joined = await this.#ask(this.#member)
    if (joined.error === codes.memberIdRequired) this.#member = joined.member
    check(joined.error, 'JoinGroup')
    this.#aliveMs = Math.max(sentMs, this.#aliveMs)
    this.#member = joined.member
    const { generation } = joined
    const assignments = joined.leader === joined.member ? this.#plan(joined.members, partitions) : []
    const sync = await (await this.#connect()).call(syncGroup, { group: groupId, generation, member: this.#member, plan: assignments }, rebalanceMs)
    check(sync.error, 'SyncGroup')
    this.#generation = generation
    this.#aliveMs = this.#home.bus.cluster.clock.monotonicMs()
    const assignment: Assignment = JSON.parse(sync.assignment.toString())
    return assignment
  }

  #plan(members: readonly { readonly member: string; readonly metadata: Buffer }[], partitions: number): { member: string; assignment: Buffer }[] {
    const words = new Map(members.map(({ member, metadata }) => [member, JSON.parse(metadata.toString()) as MemberWord]))
    return [...plan(words, partitions, this.#home.wants())].map(([member, one]) => ({ member, assignment: Buffer.from(JSON.stringify(one)) }))
  }

  /** Heartbeats until there is a reason to join again. */
  async #stay(): Promise<void> {
    const { bus, groupId } = this.#home
    const { clock } = bus.cluster
    while (!this.#isClosed && !this.#rejoin) {
      await this.#pause(this.#soon.shift() ?? Math.max(200, bus.options.sessionMs / 5))
      if (this.#isClosed || this.#rejoin) return
      const beating = this.#beating.splice(0)
      const sentMs = clock.monotonicMs()
      const { error } = await (await this.#connect()).call(heartbeat, { group: groupId, generation: this.#generation, member: this.#member }).finally(() => {
        for (const resolve of beating) resolve()
      })
      if (error === codes.rebalanceInProgress) return
      check(error, 'Heartbeat')
      this.#aliveMs = sentMs
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        timer.cancel()
        this.#wake = () => {}
        resolve()
      }
      const timer = this.#home.bus.cluster.clock.setTimer(ms, done)
      this.#wake = done
    })
  }
}

const fencing: readonly number[] = [codes.illegalGeneration, codes.unknownMember, 82]
