import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isFree } from './exchange.ts'
import { end, isAlive, launch, type ProcessId, startedAt } from './process.ts'
import type { Node, Server } from './server.ts'

/** What is known of a server that was started. */
interface State {
  readonly ports: readonly (readonly number[])[]
  readonly processes: readonly (ProcessId | undefined)[]
  readonly companion?: ProcessId | undefined
  readonly brief?: boolean | undefined
  /** It has answered once, so what is done once is done. */
  readonly begun: boolean
}

/** How a server of the fleet is. */
export interface Status {
  readonly name: string
  /** For each node: whether its process lives and answers. */
  readonly nodes: readonly { readonly pid: number | undefined; readonly answers: boolean }[]
  readonly url: string
  readonly extras: Readonly<Record<string, string>>
}

/** The servers below one folder. Fleets in different folders do not meet; the commands of one fleet may come from several processes. */
export class Fleet {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  /** Names of the servers that were started and not taken down. */
  names(): readonly string[] {
    return existsSync(this.#root) ? readdirSync(this.#root).filter((name) => existsSync(join(this.#root, name, 'state.json'))) : []
  }

  /**
   * Starts what does not run, on the same ports and data as before if there was a before; resolves when all nodes answer.
   * `brief`: {@link Node.brief}, if it was not begun otherwise.
   */
  async up(server: Server, brief?: boolean): Promise<Status> {
    await server.install()
    return this.#locked(server, async () => {
      for (let tries = 1; ; tries++) {
        try {
          return await this.#start(server, brief)
        } catch (error) {
          // Between the look at a port and the server's own bind somebody else may have taken it.
          const lost = this.#read(server)
          if (tries === 3 || lost === undefined || lost.begun || !(await this.#portsWereTaken(lost))) throw error
          await this.#remove(server)
        }
      }
    })
  }

  /** Stops the server and removes its folder: nothing of it is left. */
  down(server: Server): Promise<void> {
    return this.#locked(server, () => this.#remove(server))
  }

  /** kill -9: one node (1-based) or all; data stays, `up` brings it back. */
  kill(server: Server, number?: number): Promise<void> {
    return this.#locked(server, async () => {
      const state = this.#known(server)
      const wanted = state.processes.map((id, n) => (number === undefined || number === n + 1 ? id : undefined))
      await Promise.all(wanted.map((id) => (id === undefined ? undefined : end(id, 'SIGKILL', 0))))
    })
  }

  /** Stops one node or all in good order, the last one first, and starts what is down again. */
  async restart(server: Server, number?: number): Promise<Status> {
    await this.#locked(server, async () => {
      const state = this.#known(server)
      for (const [n, id] of [...state.processes.entries()].reverse())
        if (id !== undefined && (number === undefined || number === n + 1)) await end(id, server.stopSignal ?? 'SIGTERM', 20_000)
    })
    return this.up(server)
  }

  /** How a server is; undefined if it was never started or was taken down. */
  async status(server: Server): Promise<Status | undefined> {
    const state = this.#read(server)
    if (state === undefined) return undefined
    const nodes = this.#nodes(server, state)
    return {
      name: server.name,
      nodes: await Promise.all(
        nodes.map(async (node, n) => {
          const id = state.processes[n]
          const alive = id !== undefined && isAlive(id)
          return { pid: alive ? id.pid : undefined, answers: alive && (await server.answers(node, nodes)) }
        }),
      ),
      url: server.url(nodes),
      extras: server.extras?.(nodes) ?? {},
    }
  }

  /** The file that a node writes its output to. */
  log(server: Server, number: number): string {
    return join(this.#folder(server), `${number}.log`)
  }

  async #start(server: Server, brief: boolean | undefined): Promise<Status> {
    let state = this.#read(server) ?? { ports: await freePorts(server), processes: [], brief, begun: false }
    const nodes = this.#nodes(server, state)
    for (const { folder } of nodes) mkdirSync(folder, { recursive: true })
    this.#write(server, state)
    const folder = this.#folder(server)
    // Each process is written down before the next one is started: whoever is killed here leaves nothing unknown behind.
    if (server.companion !== undefined && !(state.companion !== undefined && isAlive(state.companion))) {
      for (const node of nodes) mkdirSync(node.folder, { recursive: true })
      state = { ...state, companion: launch(server.companion(nodes), folder, join(folder, 'companion.log')) }
      this.#write(server, state)
    }
    for (const [n, node] of nodes.entries()) {
      const id = state.processes[n]
      if (id !== undefined && isAlive(id)) continue
      await server.prepare(node, nodes)
      const processes = [...state.processes]
      processes[n] = launch(server.command(node, nodes), node.folder, this.log(server, node.number))
      state = { ...state, processes }
      this.#write(server, state)
    }
    await this.#untilAllAnswer(server, state)
    if (!state.begun) {
      await server.afterFirstStart?.(nodes)
      this.#write(server, { ...state, begun: true })
    }
    const status = await this.status(server)
    if (status === undefined) throw new Error(`${server.name} is gone`)
    return status
  }

  async #untilAllAnswer(server: Server, state: State): Promise<void> {
    const nodes = this.#nodes(server, state)
    const until = Date.now() + server.startSeconds * 1000
    for (const [n, node] of nodes.entries()) {
      while (!(await server.answers(node, nodes))) {
        const id = state.processes[n]
        const gone = id === undefined || !isAlive(id)
        if (gone || Date.now() > until) {
          const tail = existsSync(this.log(server, node.number)) ? readFileSync(this.log(server, node.number), 'utf8').split('\n').slice(-25).join('\n') : ''
          throw new Error(`${server.name}, node ${node.number}, ${gone ? 'ended' : `did not answer within ${server.startSeconds} s`}:\n${tail}`)
        }
        await sleep(50)
      }
    }
  }

  async #remove(server: Server): Promise<void> {
    const state = this.#read(server)
    if (state === undefined) return
    // All at once: the last node of a cluster alone would wait for a majority.
    await Promise.all(state.processes.map((id) => (id === undefined ? undefined : end(id, server.stopSignal ?? 'SIGTERM', 10_000))))
    if (state.companion !== undefined) await end(state.companion, 'SIGTERM', 2000)
    rmSync(this.#folder(server), { recursive: true, force: true, maxRetries: 5 })
  }

  async #portsWereTaken(state: State): Promise<boolean> {
    if (state.processes.some((id) => id !== undefined && isAlive(id))) return false
    const free = await Promise.all(state.ports.flat().map(isFree))
    return free.includes(false)
  }

  #nodes(server: Server, state: State): readonly Node[] {
    return state.ports.map((ports, n) => ({ number: n + 1, folder: join(this.#folder(server), String(n + 1)), ports, brief: state.brief }))
  }

  #folder(server: Server): string {
    return join(this.#root, server.name)
  }

  #known(server: Server): State {
    const state = this.#read(server)
    if (state === undefined) throw new Error(`${server.name} was not started`)
    return state
  }

  #read(server: Server): State | undefined {
    const file = join(this.#folder(server), 'state.json')
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
  }

  #write(server: Server, state: State): void {
    const file = join(this.#folder(server), 'state.json')
    writeFileSync(`${file}.new`, JSON.stringify(state))
    renameSync(`${file}.new`, file)
  }

  /** One command a server at a time, also between processes; the lock of a process that died is broken. */
  async #locked<T>(server: Server, work: () => Promise<T>): Promise<T> {
    mkdirSync(this.#root, { recursive: true })
    const file = join(this.#root, `${server.name}.lock`)
    for (;;) {
      try {
        const handle = openSync(file, 'wx')
        writeFileSync(handle, JSON.stringify({ pid: process.pid, started: startedAt(process.pid) }))
        closeSync(handle)
        break
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
      }
      if (isLeft(file)) rmSync(file, { force: true })
      await sleep(50)
    }
    try {
      return await work()
    } finally {
      rmSync(file, { force: true })
    }
  }
}

function isLeft(lock: string): boolean {
  try {
    const text = readFileSync(lock, 'utf8')
    // Empty: its owner is writing just now.
    return text !== '' && !isAlive(JSON.parse(text))
  } catch {
    return false
  }
}

/** Ports for all nodes that nobody listens on: the server's own if they are free, else the next ones. */
async function freePorts(server: Server): Promise<readonly (readonly number[])[]> {
  const count = server.nodes ?? 1
  const stride = server.ports.length
  for (let shift = 0; shift < 400; shift += count * stride) {
    const ports = Array.from({ length: count }, (_, n) => server.ports.map((port) => port + shift + n * stride))
    const free = await Promise.all(ports.flat().map(isFree))
    if (!free.includes(false)) return ports
  }
  throw new Error(`${server.name} finds no free port from ${server.ports[0]} on`)
}
