/**
 * A process to be killed: sends messages one after the other, and beside it consumes and accepts them. What it prints is
 * what it was promised: `sent n` after the confirm, `accepted n` after the settlement was flushed.
 */
import { writeSync } from 'node:fs'
import { joinGroup, message, openBus } from '../bus-file.ts'

const [path = '', countText = '0', from = '0'] = process.argv.slice(2)
const say = (line: string): void => void writeSync(1, `${line}\n`)
const bus = await openBus(path)
say('open')

async function send(): Promise<void> {
  for (let n = Number(from); n < Number(from) + Number(countText); n++) {
    const { failures } = await bus.send([message(`${n}`, 'k')])
    say(failures.length === 0 ? `sent ${n}` : `${failures[0]?.state} ${n} ${failures[0]?.error.code}`)
  }
}

async function consume(): Promise<void> {
  const consumer = await joinGroup(bus, 4)
  for (let left = Number(countText) / 2; left > 0; ) {
    const some = await consumer.receive(2, 1e6)
    left -= some.length
    consumer.accept(some)
    await consumer.flush()
    for (const { envelope } of some) say(`accepted ${envelope.body}`)
  }
  await consumer.close()
}

await Promise.all([send(), consume()])
await bus.close()
say('end')
