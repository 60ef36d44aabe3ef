/** A process of a torture run: plays one part after another, until it is killed. Started with `fork`. */
import { flushCompileCache } from 'node:module'
import type { TransportFactory } from '@sluice/core/transport'
import type { BeginTransaction } from '../../suite/rig.ts'
import type { MemberModule } from '../crew.ts'
import type { Actor, ActorCommand, ActorOrder, ActorReport } from './actor-order.ts'
import { ConsumerActor } from './consumer-actor.ts'
import { OperatorActor } from './operator-actor.ts'
import { ProducerActor } from './producer-actor.ts'

let actor: Actor | undefined

const report = (message: ActorReport): void => void process.send?.(message)
const textOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error))

async function load(member: MemberModule | undefined): Promise<unknown> {
  if (member === undefined) return undefined
  const loaded: Readonly<Record<string, unknown>> = await import(member.module)
  return loaded[member.export]
}

async function play(order: ActorOrder): Promise<void> {
  const { place, plan, role } = order
  const factory = (await load(place.module)) as TransportFactory
  const lent = role.part === 'consumer' ? plan.groups[role.group]?.lent : role.part === 'producer' ? plan.producers[role.producer]?.lent : false
  const sqlite = lent === true ? await load(place.otherLibrary) : undefined
  if (role.part === 'consumer') actor = new ConsumerActor(order, factory, sqlite)
  else if (role.part === 'operator') actor = new OperatorActor(order, factory)
  else
    actor = new ProducerActor(order, factory, (await load(lent === true ? place.otherTransaction : place.transaction)) as BeginTransaction | undefined, sqlite)
  await actor.start()
  report({ kind: 'ready' })
  // It would be written at an exit that most never come to; without it each start compiles everything again.
  flushCompileCache()
}

async function obey(command: ActorCommand): Promise<void> {
  switch (command.kind) {
    case 'play':
      return play(command)
    case 'stop':
      await actor?.stop()
      actor = undefined
      return report({ kind: 'stopped' })
    case 'calm':
      return actor?.calm?.()
    case 'clock':
      return actor?.jump?.(command.ms)
    case 'operate':
      try {
        report({ kind: 'operated', status: await actor?.operate?.(command.operation, command.random) })
      } catch (error) {
        report({ kind: 'operated', status: undefined, error: textOf(error) })
      }
  }
}

function fail(error: unknown): void {
  // What a handler threw where nobody listens ends a process, as it would an application's.
  report({ kind: 'failed', error: textOf(error) })
  setImmediate(() => process.exit(1))
}

// One after the other: who is told to stop while it begins, stops when it has begun.
let turn: Promise<void> = Promise.resolve()
process.on('message', (command) => {
  turn = turn.then(() => obey(command as ActorCommand)).catch(fail)
})
process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
process.on('disconnect', () => process.exit(0))
