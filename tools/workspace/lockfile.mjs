// Keeps package-lock.json whole and free of hosts. Plain JavaScript: it runs before anything is installed.
//
// `npm install` leaves out an optional platform package (`@biomejs/cli-darwin-arm64` …) that the registry at hand does
// not serve, and `npm ci` then refuses the lockfile on every machine ("Missing: … from lock file"). It also writes the
// registry's host into `resolved`, which is nobody else's business. `node tools/workspace/lockfile.mjs --fix` mends both.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const systems = {
  android: 'android',
  darwin: 'darwin',
  freebsd: 'freebsd',
  linux: 'linux',
  openharmony: 'openharmony',
  win32: 'win32',
  windows: 'win32',
  sunos: 'sunos',
  aix: 'aix',
  netbsd: 'netbsd',
  openbsd: 'openbsd',
}
const processors = {
  arm64: 'arm64',
  aarch64: 'arm64',
  x64: 'x64',
  x86_64: 'x64',
  arm: 'arm',
  armv7: 'arm',
  ia32: 'ia32',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  loong64: 'loong64',
  wasm32: 'wasm32',
}

/** The `os`, `cpu` and `libc` that a platform package's name promises, as npm writes them into a lockfile. */
export function platformOf(name) {
  const words = name.split('/').at(-1).split(/[-.]/)
  const os = words.map((word) => systems[word]).find((value) => value !== undefined)
  const cpu = words.map((word) => processors[word]).find((value) => value !== undefined)
  const libc = words.some((word) => word.startsWith('musl')) ? 'musl' : words.some((word) => word.startsWith('gnu')) && os === 'linux' ? 'glibc' : undefined
  return { ...(cpu === undefined ? {} : { cpu: [cpu] }), ...(os === undefined ? {} : { os: [os] }), ...(libc === undefined ? {} : { libc: [libc] }) }
}

/** Optional dependencies that some package of the lockfile names and the lockfile does not hold, as [path, entry]. */
export function missingOptional(lock) {
  const missing = new Map()
  for (const [path, entry] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
      if (isHeld(lock, path, name)) continue
      missing.set(`node_modules/${name}`, {
        version,
        ...platformOf(name),
        ...(entry.dev === true ? { dev: true } : {}),
        license: entry.license,
        optional: true,
      })
    }
  }
  return [...missing]
}

// Node's own look-up: the nearest node_modules upwards.
function isHeld(lock, from, name) {
  for (let folder = from; ; ) {
    if (lock.packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`] !== undefined) return true
    if (folder === '') return false
    const parent = folder.lastIndexOf('/node_modules/')
    folder = parent < 0 ? '' : folder.slice(0, parent)
  }
}

/** Paths of entries that record a download address. */
export function recordedHosts(lock) {
  return Object.entries(lock.packages)
    .filter(([, entry]) => typeof entry.resolved === 'string' && /^[a-z+]+:\/\//.test(entry.resolved))
    .map(([path]) => path)
}

/** The lockfile with both faults mended. */
export function mended(lock) {
  const packages = { ...lock.packages, ...Object.fromEntries(missingOptional(lock)) }
  for (const path of recordedHosts(lock)) {
    const { resolved: _, ...rest } = packages[path]
    packages[path] = rest
  }
  return { ...lock, packages: Object.fromEntries(Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en'))) }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  // The benchmark's peers are outside the workspace, with a lockfile of their own.
  for (const path of ['package-lock.json', 'bench/peers/package-lock.json']) {
    const file = new URL(`../../${path}`, import.meta.url)
    const lock = JSON.parse(readFileSync(file, 'utf8'))
    const faults = [...missingOptional(lock).map(([name]) => `missing: ${name}`), ...recordedHosts(lock).map((name) => `records a host: ${name}`)]
    if (process.argv.includes('--fix')) writeFileSync(file, `${JSON.stringify(mended(lock), null, 2)}\n`)
    else if (faults.length > 0) process.exitCode = 1
    console.log(`${path}${faults.length === 0 ? ' is whole' : `: ${faults.join('\n')}`}`)
  }
}
