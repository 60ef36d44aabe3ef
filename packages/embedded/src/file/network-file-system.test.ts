import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { isSluiceError, type TransportReport } from '@sluice/core/transport'
import { bodies, joinGroup, message, openBus, place, take } from '../../test/bus-file.ts'
import { mountTypeOf, networkFileSystemName } from './network-file-system.ts'

test('network file systems are known by their magic numbers', () => {
  assert.equal(networkFileSystemName(0x6969), 'NFS')
  assert.equal(networkFileSystemName(0xff534d42 | 0), 'CIFS')
  assert.equal(networkFileSystemName(0xef53), undefined)
})

test('a FUSE mount is known by its type: the longest and last mount that a path is in', () => {
  const mountInfo = [
    '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
    '40 22 0:40 / /mnt rw - tmpfs none rw',
    '41 40 0:41 / /mnt/a\\040b rw,nosuid - fuse.sshfs host:/srv rw,user_id=0',
    '42 40 0:42 / /mnt/over rw - fuse.sshfs host:/srv rw',
    '43 40 0:43 / /mnt/over rw - fuse.fuse-overlayfs none rw',
    '',
  ].join('\n')
  assert.equal(mountTypeOf('/srv/bus', mountInfo), 'ext4')
  assert.equal(mountTypeOf('/mnt/a b', mountInfo), 'fuse.sshfs')
  assert.equal(mountTypeOf('/mnt/a b/bus', mountInfo), 'fuse.sshfs')
  assert.equal(mountTypeOf('/mnt/a bc', mountInfo), 'tmpfs')
  assert.equal(mountTypeOf('/mnt/over/bus', mountInfo), 'fuse.fuse-overlayfs')
})

// sshfs speaks to the SFTP server over a pipe: a real network file system without a network.
const server = '/usr/lib/openssh/sftp-server'
const mountable =
  process.getuid?.() === 0 && spawnSync('sshfs', ['--version']).status === 0 && spawnSync('test', ['-x', server, '-a', '-c', '/dev/fuse']).status === 0

test('a folder on sshfs is refused and nothing is made there; allowed, it works on one machine and says so', {
  skip: mountable ? false : 'no sshfs that this user may mount',
  timeout: 60_000,
}, async (t) => {
  const folder = dirname(place(t))
  const mount = join(folder, 'mount')
  const remote = join(folder, 'remote')
  for (const made of [mount, remote]) mkdirSync(made)
  const script = 'mkfifo "$1/pipe" && "$2" <"$1/pipe" | sshfs ":$1/remote" "$1/mount" -f -o slave >"$1/pipe"'
  const child = spawn('bash', ['-c', script, 'bash', folder, server], { stdio: 'ignore' })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  try {
    const endMs = performance.now() + 10_000
    while (!readFileSync('/proc/self/mountinfo', 'utf8').includes(`${mount} `) && performance.now() < endMs)
      await new Promise((resolve) => setTimeout(resolve, 20))
    const path = join(mount, 'new', 'bus.db')
    await assert.rejects(openBus(path), (error) => isSluiceError(error) && error.code === 'STORE_NETWORK_FILESYSTEM' && error.message.includes('fuse.sshfs'))
    assert.deepEqual(readdirSync(remote), [])
    const reports: TransportReport[] = []
    const bus = await openBus(path, { embedded: { networkFileSystem: 'allow' } }, reports)
    assert.match(reports.find(({ level }) => level === 'warn')?.message ?? '', /network file system \(fuse.sshfs\)/)
    await bus.send([message('over there', 'k')])
    assert.deepEqual(bodies(await take(await joinGroup(bus), 1)), ['over there'])
    await bus.close()
    assert.ok(readdirSync(join(remote, 'new')).includes('bus.db'))
  } finally {
    spawnSync('fusermount', ['-u', '-z', mount])
    await exited
  }
})
