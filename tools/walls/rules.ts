import type { IForbiddenRuleType } from 'dependency-cruiser'

/** Reported by walls.ts itself: dependency-cruiser cannot tell how an import was written. */
export const meetByName = {
  name: 'packages-meet-by-name',
  comment: 'a package is imported by its name and exports, not by a relative path into its folder',
} as const

/** Folders of packages/core/src in their order: each imports only itself and those before it. `testing` may import all. */
export const coreLayers: readonly string[] = [
  'errors',
  'clock',
  'diagnostics',
  'contract',
  'message',
  'transport',
  'store',
  'policy',
  'endpoint',
  'process',
  'asyncapi',
]

// What is not part of the library: tests and what only tests use.
const notLibrary = '\\.test\\.ts$|/test/|^bench/|^examples/|^tools/|^packages/conformance/'
const transportPackages = '^packages/(embedded|transports/[^/]+)/'

function layerRules(): IForbiddenRuleType[] {
  return coreLayers.map((folder, index) => ({
    name: `layer-${folder}`,
    comment: `core/src/${folder} imports only the folders before it: ${coreLayers.slice(0, index).join(', ') || 'none'}`,
    severity: 'error',
    from: { path: `^packages/core/src/${folder}/`, pathNot: '\\.test\\.ts$' },
    to: { path: '^packages/core/', pathNot: `^packages/core/src/(${coreLayers.slice(0, index + 1).join('|')})/` },
  }))
}

/** The walls of docs/internals/architecture.md. Each has a planted violation in walls.test.ts. */
export const rules: readonly IForbiddenRuleType[] = [
  ...layerRules(),
  {
    name: 'no-cycle',
    comment: 'no import cycle between files, types included',
    severity: 'error',
    from: {},
    to: { circular: true },
  },
  {
    name: 'resolvable',
    comment: 'every import leads to a file, a declared dependency or a module of Node',
    severity: 'error',
    from: {},
    to: { couldNotResolve: true },
  },
  {
    name: 'core-stands-alone',
    comment: 'core has no dependency: only its own files and modules of Node',
    severity: 'error',
    from: { path: '^packages/core/src/', pathNot: '\\.test\\.ts$' },
    to: { pathNot: '^packages/core/src/', dependencyTypesNot: ['core'] },
  },
  {
    name: 'transport-sees-the-spi-only',
    comment: 'a transport imports its own files, the transport SPI, modules of Node and its client library',
    severity: 'error',
    from: { path: `${transportPackages}src/`, pathNot: '\\.test\\.ts$' },
    to: { path: '^packages/|^examples/|^bench/', pathNot: ['^packages/core/src/transport/index\\.ts$', '^packages/(embedded|transports/[^/]+)/src/'] },
  },
  {
    name: 'transports-do-not-meet',
    comment: 'a transport does not import another one',
    severity: 'error',
    from: { path: `^packages/(embedded|transports/[^/]+)/src/` },
    to: { path: transportPackages, pathNot: '^packages/$1/' },
  },
  {
    name: 'engine-has-no-dependency',
    comment: 'the embedded engine has no runtime dependency: its own files, the SPI and modules of Node',
    severity: 'error',
    from: { path: '^packages/embedded/src/', pathNot: '\\.test\\.ts$' },
    to: { pathNot: ['^packages/embedded/src/', '^packages/core/src/transport/index\\.ts$'], dependencyTypesNot: ['core'] },
  },
  {
    name: 'nobody-imports-a-transport',
    comment: 'nothing imports a transport but applications, tests and the URL table of packages/sluice',
    severity: 'error',
    from: { path: '^packages/', pathNot: [notLibrary, '^packages/sluice/src/transports\\.ts$', transportPackages] },
    to: { path: transportPackages },
  },
  {
    name: 'lanes-do-no-io',
    comment: 'the state machine of a lane is pure: no module of Node, no transport call',
    severity: 'error',
    from: { path: '^packages/core/src/endpoint/lane/', pathNot: '\\.test\\.ts$' },
    to: { dependencyTypes: ['core'] },
  },
  {
    name: 'library-does-not-import-tests',
    comment: 'what is published does not import tests, examples, benchmarks, tools or the conformance suite',
    severity: 'error',
    from: { path: '^packages/[^/]+/src/|^packages/(transports|stores)/[^/]+/src/', pathNot: '\\.test\\.ts$|^packages/conformance/' },
    to: { path: notLibrary },
  },
  {
    name: 'core-index-is-for-users',
    comment: 'inside core nobody imports the public entry: it would make a cycle of everything',
    severity: 'error',
    from: { path: '^packages/core/src/', pathNot: '\\.test\\.ts$|^packages/core/src/testing/' },
    to: { path: '^packages/core/src/index\\.ts$' },
  },
]
