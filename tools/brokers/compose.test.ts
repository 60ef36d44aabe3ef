import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { servers } from './servers/index.ts'
import { properties } from './servers/kafka.ts'

const compose = readFileSync(join(import.meta.dirname, 'docker-compose.yml'), 'utf8')

/** Lines of one service. */
function serviceOf(name: string): string {
  const [, found] = new RegExp(`^  ${name}:\n((?:    .*\n)+)`, 'm').exec(compose) ?? []
  assert.ok(found !== undefined, name)
  return found
}

test('containers listen where the servers of this machine do', () => {
  for (const name of ['redis', 'redis-everysec', 'kafka', 'postgres', 'rabbitmq']) {
    const server = servers.find((each) => each.name === name)
    assert.ok(serviceOf(name).includes(`127.0.0.1:${server?.ports[0]}:`), name)
  }
})

test('Kafka in a container has the settings of the one that the tests start', () => {
  const node = { number: 1, folder: '', ports: [19_092, 19_093] }
  const ours = properties(node, [node])
  const settings = new Map(
    [...serviceOf('kafka').matchAll(/^ {6}KAFKA_(\w+): "?([^"\n]*)"?$/gm)].map(([, name = '', value = '']) => [name.toLowerCase().replaceAll('_', '.'), value]),
  )
  // Inside a container everybody must be listened to, and its folders are its own.
  const own = /^(listeners|controller\.quorum\.voters|log\.dirs)=/
  const lacking = ours
    .split('\n')
    .filter((line) => line !== '' && !own.test(line) && settings.get(line.slice(0, line.indexOf('='))) !== line.slice(line.indexOf('=') + 1))
  assert.deepEqual(lacking, [])
})
