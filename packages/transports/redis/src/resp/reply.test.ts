import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { Commands } from './command.ts'
import { NotResp, RedisError, ReplyScanner, readArray, readBytes, readNumber, readReply, readText, sourceOf } from './reply.ts'

const answers = Buffer.from('+OK\r\n:-42\r\n$-1\r\n$6\r\nhällo\r\n*3\r\n$0\r\n\r\n*-1\r\n*2\r\n:1\r\n-OOM no\r\n$2\r\n\r\n\r\n*0\r\n')
const expected = ['OK', -42, null, 'hällo', ['', null, [1, 'OOM']], '\r\n', []]

function shown(reply: unknown): unknown {
  if (reply instanceof RedisError) return reply.kind
  return Array.isArray(reply) ? reply.map(shown) : reply
}

test('answers are read alike, however their bytes are cut', () => {
  for (const slice of [1, 2, 3, 7, 1_000]) {
    const scanner = new ReplyScanner()
    const read: unknown[] = []
    let walked = { count: 0 }
    for (let at = 0; at < answers.length; at += slice) {
      scanner.push(answers.subarray(at, at + slice))
      for (let source = scanner.take(1, walked); source !== undefined; source = scanner.take(1, walked)) {
        walked = { count: 0 }
        read.push(shown(readReply(source)))
      }
    }
    assert.deepEqual(read, expected, `slices of ${slice}`)
  }
})

test('several answers are taken as one piece, when the last of them is there', () => {
  const scanner = new ReplyScanner()
  const walked = { count: 0 }
  scanner.push(Buffer.from('+a\r\n$3\r\nb'))
  assert.equal(scanner.take(2, walked), undefined)
  assert.equal(walked.count, 1)
  scanner.push(Buffer.from('cd\r\n+next'))
  const source = scanner.take(2, walked)
  assert.ok(source)
  assert.deepEqual([readReply(source), readReply(source)], ['a', 'bcd'])
})

test('bytes that are no text stay bytes', () => {
  const scanner = new ReplyScanner()
  scanner.push(Buffer.from([...Buffer.from('$2\r\n'), 0xff, 0x00, 13, 10]))
  const source = scanner.take(1, { count: 0 })
  assert.ok(source)
  assert.deepEqual(readReply(source), new Uint8Array([0xff, 0]))
})

test('what is no answer is refused at once, wherever it is cut: nothing is waited for, or read for ever', () => {
  const whole = '*2\r\n$3\r\nabc\r\n:12\r\n'
  for (const garbage of ['hello\r\n', '$x\r\n', '*1\r\n!\r\n', '$3x\r\nabc\r\n', '*-x\r\n', `${whole.slice(2)}`]) {
    const scanner = new ReplyScanner()
    scanner.push(Buffer.from(garbage))
    assert.throws(() => scanner.take(1, { count: 0 }), NotResp, garbage)
  }
  const readers = [readReply, readText, readBytes, readNumber, readArray]
  for (let cut = 0; cut < whole.length; cut++)
    for (const text of [whole.slice(0, cut), whole.slice(cut + 1), `*9${whole.slice(cut)}`, `$-7\r\n${whole}`])
      for (const read of readers) {
        const source = sourceOf(Buffer.from(text))
        try {
          read(source)
        } catch (error) {
          assert.ok(error instanceof NotResp, `${text}: ${String(error)}`)
        }
      }
})

test('commands say the bytes of each word, not its characters', () => {
  const commands = new Commands().add('SET', 'ü', 7).add('X', new Uint8Array([1, 2]))
  const text = Buffer.concat(commands.parts().map((part) => Buffer.from(part))).toString('latin1')
  assert.equal(text, '*3\r\n$3\r\nSET\r\n$2\r\n\u00c3\u00bc\r\n$1\r\n7\r\n*2\r\n$1\r\nX\r\n$2\r\n\u0001\u0002\r\n')
  assert.equal(commands.replies, 2)
})
