import type { Bus } from 'sluice'
import type { BusinessFile } from '../books/business-file.ts'
import type { Providers } from '../providers/provider.ts'
import type { Host, Reaction } from './reaction.ts'
import type { ServiceName } from './topology.ts'

/** What a service is made of; `services/process` gives it a process, a bus and an HTTP server. */
export interface Service {
  readonly name: ServiceName
  readonly reactions: readonly Reaction[]
  /** Handlers that are no reactions (requests), if any. */
  register?(bus: Bus, host: Host): void
  /** Figures of its own for the page and the end of a run, by name; cheap enough for four times a second. */
  figures(): Readonly<Record<string, number>>
}

/** Makes a service over its open file. */
export interface ServiceDefinition {
  /** Idempotent SQL of its business tables. */
  readonly schema: string
  create(file: BusinessFile, providers: Providers): Service
}
