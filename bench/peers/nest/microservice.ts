/** @nestjs/microservices without its decorators' syntax, which Node's type stripping does not know: they are functions all the same. */
import 'reflect-metadata'
import { Controller, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { Ctx, EventPattern, type MicroserviceOptions, Payload } from '@nestjs/microservices'
import { nowNs, readyAndGo, report } from '../../processes.ts'
import { orderIn, Tally } from '../order.ts'

/** How a producer of the transport sends; resolves when it has called `go` for all. */
export const pattern = 'shop.order.placed'

/** Handles `count` orders in a controller, each validated; `settle` is what the transport's documentation has the handler do last. */
export async function consume(count: number, channel: string, options: MicroserviceOptions, settle: (context: unknown) => void): Promise<void> {
  const tally = new Tally(count)
  class Orders {
    handle(data: unknown, context: unknown): void {
      tally.handle(orderIn(data), nowNs)
      settle(context)
    }
  }
  const handle = Object.getOwnPropertyDescriptor(Orders.prototype, 'handle')
  if (handle === undefined) throw new Error('no handler')
  EventPattern(channel)(Orders.prototype, 'handle', handle)
  Payload()(Orders.prototype, 'handle', 0)
  Ctx()(Orders.prototype, 'handle', 1)
  Controller()(Orders)
  class App {}
  Module({ controllers: [Orders] })(App)
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(App, { ...options, logger: ['error', 'warn'] })
  await app.listen()
  await readyAndGo()
  const startNs = await tally.done()
  await app.close()
  report({ startNs, endNs: nowNs() })
  // What it leaves open keeps a process alive.
  process.once('disconnect', () => process.exit())
}
