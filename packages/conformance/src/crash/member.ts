/** A member in a process of its own: started with `fork`, told what to do by its first message. */
import type { TransportFactory } from '@sluice/core/transport'
import { busConsumeProgram, busProduceProgram } from './bus-programs.ts'
import type { MemberOrder, MemberReport, Program, ProgramContext } from './program.ts'
import { consumeProgram, produceProgram } from './transport-programs.ts'

const programs: Readonly<Record<string, (context: ProgramContext) => Program>> = {
  consume: consumeProgram,
  produce: produceProgram,
  'bus-consume': busConsumeProgram,
  'bus-produce': busProduceProgram,
}

function report(message: MemberReport): void {
  process.send?.(message)
}

function fail(error: unknown): void {
  report({ kind: 'failed', error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
  setImmediate(() => process.exit(1))
}

async function run(order: MemberOrder): Promise<void> {
  const loaded: Readonly<Record<string, unknown>> = await import(order.module)
  const factory = loaded[order.export] as TransportFactory
  const make = programs[order.program]
  if (make === undefined) throw new Error(`no program ${order.program}`)
  const program = make({ factory, order })
  process.on('message', (message) => {
    if (message !== 'stop') return
    program.stop().then(() => {
      report({ kind: 'stopped' })
      process.disconnect?.()
    }, fail)
  })
  await program.start()
  report({ kind: 'ready' })
  void program.done.then(() => report({ kind: 'done' }))
}

process.once('message', (order) => void run(order as MemberOrder).catch(fail))
process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)
// Its parent is gone: nobody will stop it.
process.on('disconnect', () => process.exit(0))
