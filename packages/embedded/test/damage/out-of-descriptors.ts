/** Uses all descriptors up and opens the bus with 0, 1, 2 … free ones; then publishes past checkpoints with none free. */
import { closeSync, openSync, writeSync } from 'node:fs'
import { isSluiceError } from '@sluice/core/transport'
import { transport } from '@sluice/embedded'
import { context, message, openBus } from '../bus-file.ts'

const [path = ''] = process.argv.slice(2)
// Standard output was opened before.
const say = (line: string): void => void writeSync(1, `${line}\n`)
const held: number[] = []

function useUp(): void {
  for (;;) {
    try {
      held.push(openSync('/dev/null', 'r'))
    } catch {
      return
    }
  }
}

function free(count: number): void {
  for (const fd of held.splice(0, count)) closeSync(fd)
}

const first = await openBus(path)
const { failures } = await first.send([message('first', 'k')])
if (failures.length === 0) say('confirmed first')
await first.close()
for (let count = 0; count <= 14; count++) {
  useUp()
  free(count)
  try {
    const bus = await transport.open(`file:${path}`, context())
    await bus.close()
    say(`open ${count} ok`)
  } catch (error) {
    say(`open ${count} ${isSluiceError(error) ? error.code : String(error)}`)
  }
}
free(held.length)
// A small limit, so that checkpoints (a worker, its connection) are wanted while nothing can be opened.
const bus = await openBus(path, { embedded: { walBytesMax: 1024 * 1024 } })
useUp()
for (let n = 0; n < 300; n++) {
  const report = await bus.send([message(`${n} ${'x'.repeat(20_000)}`, 'k')])
  if (report.failures.length === 0) say(`confirmed ${n}`)
  else say(`failed ${n} ${report.failures[0]?.error.code}`)
}
say('sent 300')
free(held.length)
await bus.close()
