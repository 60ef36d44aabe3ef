/** What a command of `npm run brokers` needs to know of a server. A further server is one file in `servers`. */

/** A program to run, as the server's own user when we are root and it refuses that. */
export interface Command {
  readonly program: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** A user of the machine; ignored unless we are root. */
  readonly user?: string
}

/** One process of a running server: its private folder and ports. */
export interface Node {
  /** 1-based. */
  readonly number: number
  readonly folder: string
  /** In the order of {@link Server.ports}. */
  readonly ports: readonly number[]
  /** For tests, which are over in minutes: it need not run as fast as it can, for which it would first take a processor away from them. */
  readonly brief?: boolean | undefined
}

/** A server that can be had on this machine. */
export interface Server {
  /** What one says on the command line: `redis`, `kafka-cluster`. */
  readonly name: string
  /** One line: which server, which settings that matter. */
  readonly title: string
  /** Processes that share the work; default 1. */
  readonly nodes?: number
  /** Ports that the first node tries first; each further node the next ones; a port in use moves the whole server on. */
  readonly ports: readonly number[]
  /** Seconds until it must have answered. */
  readonly startSeconds: number
  /** How it is told to end; default SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
  /** True when {@link install} has nothing to bring. */
  installed(): boolean
  /** Brings what is missing; throws {@link CannotInstall} where that cannot be done. Cheap when all is there. */
  install(): Promise<void>
  /** Writes configuration and an empty store, if they are not there; also removes what a killed process left behind. */
  prepare(node: Node, nodes: readonly Node[]): Promise<void>
  /** A process beside the nodes, which a kill of a node does not hit. */
  companion?(nodes: readonly Node[]): Command
  command(node: Node, nodes: readonly Node[]): Command
  /** Once after all nodes answer for the first time: users, joining. */
  afterFirstStart?(nodes: readonly Node[]): Promise<void>
  /** True when the node really does its work: an exchange in its own protocol, not only an open port. */
  answers(node: Node, nodes: readonly Node[]): Promise<boolean>
  /** What an application connects to. */
  url(nodes: readonly Node[]): string
  /** Further things a client needs, by name: a certificate's file, a user. */
  extras?(nodes: readonly Node[]): Readonly<Record<string, string>>
}

/** The server cannot be installed here; the message says what to do instead. Tests skip with it: it begins with `needs `. */
export class CannotInstall extends Error {
  override readonly name = 'CannotInstall'
  constructor(what: string, instead: string) {
    super(`needs ${what}: ${instead}, or on a machine with containers: docker compose -f tools/brokers/docker-compose.yml up`)
  }
}
