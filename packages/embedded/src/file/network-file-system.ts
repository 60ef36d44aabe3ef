/** Where a bus file must not lie: SQLite's locks and shared memory hold within one kernel, not between two machines. */
import { existsSync, readFileSync, realpathSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { SluiceError } from '@sluice/core/transport'

// Linux statfs f_type, include/uapi/linux/magic.h: file systems where POSIX locks, shared memory or fsync cannot be
// relied on between machines. On other systems the numbers mean something else, so nothing is refused there.
const networkFileSystems: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB2'],
  [0xff534d42, 'CIFS'],
  [0x00c36400, 'Ceph'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x01021997, '9P'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x19830326, 'FhGFS'],
  [0x7461636f, 'OCFS2'],
  [0x01161970, 'GFS2'],
  [0x786f4256, 'VirtualBox shared folder'],
])
const fuse = 0x65735546

/** Types of FUSE mounts whose files are another machine's. The rest (NTFS, overlays, encryption) is local, or not known. */
const networkFuse: ReadonlySet<string> = new Set(
  'sshfs,s3fs,rclone,glusterfs,ceph,ceph-fuse,gcsfuse,goofys,mount-s3,davfs,davfs2,juicefs,mfs,moosefs,lizardfs,saunafs,curlftpfs,blobfuse,blobfuse2,vmhgfs-fuse,grpcfuse,gvfsd-fuse,seaweedfs,objectivefs,curvefs,beegfs'
    .split(',')
    .flatMap((name) => [name, `fuse.${name}`]),
)

/** Name of the network file system that `f_type` stands for on Linux; undefined: local, or not known. */
export function networkFileSystemName(type: number): string | undefined {
  return networkFileSystems.get(type >>> 0)
}

/** The type of the mount that a real path is on, by `/proc/self/mountinfo`: `fuse.sshfs`, `virtiofs`, `ext4` … */
export function mountTypeOf(path: string, mountInfo: string): string | undefined {
  let found: { readonly point: string; readonly type: string } | undefined
  for (const line of mountInfo.split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const point = before.split(' ')[4]?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    const [type] = after.split(' ')
    if (point === undefined || type === undefined || type === '') continue
    const inside = path === point || path.startsWith(point === '/' ? '/' : `${point}/`)
    // Of mounts over one another the last counts.
    if (inside && (found === undefined || point.length >= found.point.length)) found = { point, type }
  }
  return found?.type
}

/** Name of the network file system that a folder is on, or will be once it is made; undefined: local, or not known. */
export function networkFileSystemOf(folder: string, platform: string = process.platform): string | undefined {
  if (platform !== 'linux') return undefined
  let there = folder
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there)
  const { type } = statfsSync(there)
  if (type >>> 0 !== fuse) return networkFileSystemName(type)
  const mounted = mountTypeOf(realpathSync(there), readFileSync('/proc/self/mountinfo', 'utf8'))
  return mounted !== undefined && networkFuse.has(mounted) ? mounted : undefined
}

/** The error for a folder on a network file system. */
export function onNetworkFileSystem(folder: string, name: string): SluiceError {
  return new SluiceError('STORE_NETWORK_FILESYSTEM', `${folder} is on a network file system (${name})`, {
    details: { folder, name },
    fix: "Put the bus file on a local disk, or choose a broker when services run on several machines. If it is certain that one machine alone uses it: connect({ transportOptions: { embedded: { networkFileSystem: 'allow' } } })",
  })
}
