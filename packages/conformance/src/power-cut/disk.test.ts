import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Chance, Disk } from './disk.ts'
import { parseTrace } from './trace.ts'

const nothing: Chance = { change: () => 'none', size: () => false, names: () => 0 }
const everything: Chance = { change: () => 'all', size: () => false, names: (_, count) => count }
const namesOnly: Chance = { ...nothing, names: (_, count) => count }

/** The disk at the end of a recording. */
function diskOf(lines: readonly string[], dropped = false): Disk {
  const trace = parseTrace(lines.join('\n'), '/d', 'marks')
  const disk = new Disk(trace, new Map(), dropped)
  disk.advance(trace.length)
  return disk
}

const created = ['1 openat(AT_FDCWD</>, "/d/f", O_RDWR|O_CREAT, 0600) = 3</d/f>', '1 fsync(9</d>) = 0']

test('a write that ended before a sync began survives; one that overlaps it need not', () => {
  const disk = diskOf([
    ...created,
    '1 pwrite64(3</d/f>, "one", 3, 0) = 3',
    '2 pwrite64(3</d/f>, "two", 3, 3 <unfinished ...>',
    '1 fdatasync(3</d/f>) = 0',
    '2 <... pwrite64 resumed>) = 3',
  ])
  assert.equal(disk.image(nothing).get('f')?.toString(), 'one')
  assert.equal(disk.image(everything).get('f')?.toString(), 'onetwo')
})

test('a sync that is not over, failed, or is of another file keeps nothing', () => {
  for (const sync of [
    '1 fdatasync(3</d/f> <unfinished ...>',
    '1 fdatasync(3</d/f>) = -1 EIO (Input/output error)',
    '1 fdatasync(4</d/g>) = 0',
    '1 fdatasync(3</d/f>) = 0 (INJECTED)',
  ])
    assert.equal(
      diskOf([...created, '1 pwrite64(3</d/f>, "one", 3, 0) = 3', sync])
        .image(nothing)
        .get('f')
        ?.toString(),
      '',
    )
})

test('what a failed sync dropped does not come back with the next one', () => {
  const lines = [
    ...created,
    '1 pwrite64(3</d/f>, "one", 3, 0) = 3',
    '1 fdatasync(3</d/f>) = -1 EIO (Input/output error)',
    '1 pwrite64(3</d/f>, "two", 3, 3) = 3',
    '1 fdatasync(3</d/f>) = 0',
  ]
  assert.equal(diskOf(lines).image(nothing).get('f')?.toString(), 'onetwo')
  assert.equal(diskOf(lines, true).image(nothing).get('f')?.toString(), '\0\0\0two')
})

test('a name survives by a sync of its folder only', () => {
  const disk = diskOf(['1 openat(AT_FDCWD</>, "/d/f", O_RDWR|O_CREAT, 0600) = 3</d/f>', '1 pwrite64(3</d/f>, "one", 3, 0) = 3', '1 fsync(3</d/f>) = 0'])
  assert.equal(disk.image(nothing).has('f'), false)
  assert.equal(disk.image(namesOnly).get('f')?.toString(), 'one')
})

test('a file that was deleted and made anew: the old one, none, or the new one', () => {
  const disk = diskOf([
    ...created,
    '1 pwrite64(3</d/f>, "one", 3, 0) = 3',
    '1 fsync(3</d/f>) = 0',
    '1 unlink("/d/f") = 0',
    '1 openat(AT_FDCWD</>, "/d/f", O_RDWR|O_CREAT, 0600) = 4</d/f>',
    '1 pwrite64(4</d/f>, "two", 3, 0) = 3',
    '1 fsync(4</d/f>) = 0',
  ])
  const contents = [0, 1, 2].map((count) =>
    disk
      .image({ ...nothing, names: () => count })
      .get('f')
      ?.toString(),
  )
  assert.deepEqual(contents, ['one', undefined, 'two'])
})

test('a torn write survives by sectors, and a truncation is a change like any other', () => {
  const lines = [...created, `1 pwrite64(3</d/f>, "${'\\x61'.repeat(1024)}", 1024, 0) = 1024`]
  const torn = diskOf(lines)
    .image({ ...nothing, change: () => (sector) => sector === 1 })
    .get('f')
  assert.deepEqual([torn?.length, torn?.[0], torn?.[512]], [1024, 0, 0x61])
  const emptied = [...lines, '1 fsync(3</d/f>) = 0', '1 ftruncate(3</d/f>, 0) = 0']
  assert.equal(diskOf(emptied).image(nothing).get('f')?.length, 1024)
  assert.equal(diskOf(emptied).image(everything).get('f')?.length, 0)
  assert.equal(
    diskOf([...emptied, '1 fsync(3</d/f>) = 0'])
      .image(nothing)
      .get('f')?.length,
    0,
  )
})
