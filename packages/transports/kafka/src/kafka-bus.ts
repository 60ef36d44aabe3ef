import type { SluiceError, Topology, TransportContext, TransportReport } from '@sluice/core/transport'
import type { Cluster } from './link/cluster.ts'
import type { Names } from './names.ts'
import type { KafkaOptions } from './options.ts'
import type { Registry } from './registry/registry.ts'

/** What the parts of one open transport share. */
export interface KafkaBus {
  readonly context: TransportContext
  readonly options: KafkaOptions
  readonly cluster: Cluster
  readonly registry: Registry
  readonly names: Names
  readonly topology: {
    declare(topology: Topology): Promise<void>
    /** Makes a channel's topics anew that somebody deleted. */
    restore(channel: string): Promise<void>
    /** Makes the topic of a group's lot. */
    makeLot(channel: string, group: string): Promise<void>
    /** Makes the topic of delayed messages, if it is not there. */
    makeLater(): Promise<void>
    /** Forgets a group with its progress, its lot and its dead letters. */
    removeGroup(channel: string, group: string): Promise<void>
    /** An instance's reply channel goes with it. */
    removeReplies(channel: string): Promise<void>
  }
}

/** Tells a person. */
export function report({ context }: Pick<KafkaBus, 'context'>, level: TransportReport['level'], message: string, error?: SluiceError): void {
  context.report({ level, message, ...(error === undefined ? {} : { error }) })
}
