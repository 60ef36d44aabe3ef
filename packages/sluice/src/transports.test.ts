import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isSluiceError, type Transport, type TransportContext, type TransportFactory } from '@sluice/core/transport'
import { transportPackages, transportTable } from './transports.ts'

const context = {} as TransportContext

function factoryFor(scheme: string, table: readonly TransportFactory[]): TransportFactory {
  const factory = table.find(({ schemes }) => schemes.includes(scheme))
  assert.ok(factory, scheme)
  return factory
}

test('each scheme has one factory, and memory and file need nothing further', () => {
  const schemes = transportTable().flatMap((factory) => factory.schemes)
  assert.equal(new Set(schemes).size, schemes.length)
  assert.deepEqual([...schemes].sort(), ['memory', ...Object.keys(transportPackages)].sort())
  const manifest: { dependencies: Record<string, string> } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  assert.deepEqual(Object.keys(manifest.dependencies), ['@sluice/core', transportPackages.file])
})

test('a package is loaded when its URL is first opened, not before', async () => {
  const loaded: string[] = []
  const opened: string[] = []
  const transport: TransportFactory = {
    schemes: ['kafka'],
    open: async (url) => {
      opened.push(url)
      return {} as Transport
    },
  }
  const table = transportTable(async (name) => {
    loaded.push(name)
    return { transport }
  })
  assert.deepEqual(loaded, [])
  await factoryFor('kafka', table).open('kafka://localhost', context)
  assert.deepEqual(loaded, ['@sluice/kafka'])
  assert.deepEqual(opened, ['kafka://localhost'])
})

test('a package that is not installed: UNKNOWN_TRANSPORT with the command that installs it', async () => {
  const missing = Object.assign(new Error("Cannot find package '@sluice/embedded' imported from /x"), { code: 'ERR_MODULE_NOT_FOUND' })
  const table = transportTable(() => Promise.reject(missing))
  await assert.rejects(factoryFor('file', table).open('file:./bus.db', context), (error) => {
    assert.ok(isSluiceError(error, 'UNKNOWN_TRANSPORT'))
    assert.match(error.message, /npm install @sluice\/embedded/)
    return true
  })
})

test('a package that does not exist yet: nobody is told to install it', async () => {
  await assert.rejects(factoryFor('rocketmq', transportTable()).open('rocketmq://localhost', context), (error) => {
    assert.ok(isSluiceError(error, 'UNKNOWN_TRANSPORT'))
    assert.match(error.message, /none yet in this version.*memory: file: amqp: .*redis:/)
    assert.doesNotMatch(error.message, /npm install/)
    return true
  })
})

test('a package that is installed but broken is not called missing', async () => {
  const missingInside = Object.assign(new Error("Cannot find package 'kafkajs' imported from /x/@sluice/kafka/dist/index.js"), { code: 'ERR_MODULE_NOT_FOUND' })
  const broken = transportTable(() => Promise.reject(missingInside))
  await assert.rejects(factoryFor('kafka', broken).open('kafka://localhost', context), /is installed but cannot be loaded/)
  const foreign = transportTable(async () => ({ default: 1 }))
  await assert.rejects(factoryFor('kafka', foreign).open('kafka://localhost', context), /exports no `transport`/)
})
